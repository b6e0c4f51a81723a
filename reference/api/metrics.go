package api

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The metrics of the server, each with its labels. Those of the Go runtime and of the process come beside them.
// tunnel_connected and active_connections have the names that the source document gives them.
var (
	tunnelConnected = describe("tunnel_connected", "1 while at least one client is connected, else 0.")
	activeVisitors  = describe("active_connections", "Visitors of all mappings that are connected now.")

	buildInfo   = describe("adit_build_info", "1, by the version of the server.", "version")
	served      = describe("adit_mapping_served", "1 while visitors can connect to the port of a mapping, else 0.", "port")
	active      = describe("adit_mapping_active_connections", "Visitors of a mapping that are connected now.", "port")
	visitors    = describe("adit_mapping_connections_total", "Visitors of a mapping so far.", "port")
	failures    = describe("adit_mapping_failures_total", "Visitors of a mapping that an error has ended, by what it was.", "port", "reason")
	moved       = describe("adit_mapping_bytes_total", "Bytes of a mapping's visitors: in is towards the service, out is back.", "port", "direction")
	clients     = describe("adit_clients", "Clients that are connected now.", "profile", "tls")
	roundTrip   = describe("adit_client_round_trip_seconds", "Smallest round trip of the last minute, where it is known: of the slowest tunnel of a client.", "key", "name")
	held        = describe("adit_client_held_bytes", "Memory of what was received through a client's tunnels and visitors have not taken.", "key", "name")
	overBudget  = describe("adit_client_over_budget", "Connections of a client's present tunnels that were ended for memory.", "key", "name")
	descriptors = []*prometheus.Desc{tunnelConnected, activeVisitors, buildInfo, served, active, visitors, failures, moved, clients, roundTrip, held, overBudget}
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// metrics answers with all metrics, in a registry of the server's own.
func (h *handler) metrics() func(http.ResponseWriter, *http.Request) error {
	all := prometheus.NewRegistry()
	all.MustRegister(h.requests, collector{h})
	serve := promhttp.HandlerFor(prometheus.Gatherers{all, h.process}, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(h.Logger.Handler(), slog.LevelError), MaxRequestsInFlight: 4})
	return func(w http.ResponseWriter, r *http.Request) error {
		serve.ServeHTTP(w, r)
		return nil
	}
}

// collector makes metrics of what the server shows at the instant that it is asked.
type collector struct{ *handler }

func (c collector) Describe(all chan<- *prometheus.Desc) {
	for _, d := range descriptors {
		all <- d
	}
}

func (c collector) Collect(all chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		all <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v int64, labels ...string) {
		all <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(buildInfo, 1, c.Version)
	now := 0
	for _, s := range c.Mappings.List() {
		port := s.Place()
		gauge(served, one(s.Err == nil), port)
		gauge(active, float64(s.Active), port)
		count(visitors, s.Total, port)
		count(moved, s.In, port, "in")
		count(moved, s.Out, port, "out")
		for reason, n := range s.Failures {
			count(failures, n, port, reason)
		}
		now += s.Active
	}
	gauge(activeVisitors, float64(now))

	type kind struct {
		profile string
		tls     bool
	}
	type client struct{ key, name string }
	kinds := map[kind]int{{"core", false}: 0, {"core", true}: 0, {"extended", false}: 0, {"extended", true}: 0}
	sums := map[client]Tunnel{}
	tunnels := c.Tunnels()
	for _, t := range tunnels {
		kinds[kind{t.Profile, t.TLS}]++
		of := client{t.Key, strings.ToValidUTF8(t.Name, "?")} // what a peer calls itself
		sum := sums[of]
		sum.RTT = max(sum.RTT, t.RTT)
		sum.Held += t.Held
		sum.OverBudget += t.OverBudget
		sums[of] = sum
	}
	gauge(tunnelConnected, one(c.TunnelEnabled && len(tunnels) > 0))
	for k, n := range kinds {
		gauge(clients, float64(n), k.profile, strconv.FormatBool(k.tls))
	}
	for of, sum := range sums {
		if sum.RTT > 0 {
			gauge(roundTrip, sum.RTT/1000, of.key, of.name)
		}
		gauge(held, float64(sum.Held), of.key, of.name)
		gauge(overBudget, float64(sum.OverBudget), of.key, of.name)
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// newRequests counts what the API was asked.
func newRequests() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "adit_api_requests_total", Help: "Requests to the API that were answered, by status."}, []string{"code"})
}
