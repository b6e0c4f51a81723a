package mapping

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/spec"
)

// Options are what may be said of a mapping beside where it leads, in the API, the file and the store alike. The zero value
// of each says nothing.
type Options struct {
	Host           string   `json:"host,omitempty"`            // in the place of a port: the name that visitors of the web ask for, or *.DOMAIN, or *
	Path           string   `json:"path,omitempty"`            // beside host: what the path has to begin with; "": anything
	Users          []string `json:"users,omitempty"`           // beside host: names of keys of role visit, one of which is asked for; none: nothing is
	Network        string   `json:"network,omitempty"`         // tcp, udp or tcp+udp; "": tcp
	Allow          []string `json:"allow,omitempty"`           // addresses or CIDRs of visitors that may come; none: any
	Deny           []string `json:"deny,omitempty"`            // those that may not, allowed or not
	MaxConnections int      `json:"max_connections,omitempty"` // visitors at once; 0: no bound
	MaxPerAddress  int      `json:"max_per_address,omitempty"` // the same of one address, which of IPv6 is its first 64 bits
	IdleTimeout    Duration `json:"idle_timeout,omitempty"`    // how long a visitor may be without an octet in either direction; 0: for ever
	RateUp         Rate     `json:"rate_up,omitempty"`         // of all visitors together, towards the service; 0: no bound
	RateDown       Rate     `json:"rate_down,omitempty"`       // the same, towards the visitors
	Targets        []string `json:"targets,omitempty"`         // more targets, HOST:PORT, beside the first
	Balance        string   `json:"balance,omitempty"`         // round_robin, least_connections or source_hash; "": round_robin
	HealthCheck    Duration `json:"health_check,omitempty"`    // between two connections that try whether a target is there; 0: none
	ProxyProtocol  string   `json:"proxy_protocol,omitempty"`  // v1 or v2: the header that tells the target of the visitor
}

// TCP and UDP report which networks visitors of the mapping may come by.
func (o Options) TCP() bool { return o.Network != "udp" }

// UDP is the other.
func (o Options) UDP() bool { return o.Network == "udp" || o.Network == "tcp+udp" }

// mostSeats is the highest bound of connections that a mapping may have.
const mostSeats = 1 << 20

// Bounds of a rate, in bytes a second: below the lowest a single packet would take longer.
const leastRate, mostRate = 1 << 10, 1 << 40

// check refuses options that cannot be, or that do not go with the rest of the mapping.
func (m Mapping) check() error {
	if err := cmp.Or(
		m.checkWeb(), checkPrefixes("allow", m.Allow), checkPrefixes("deny", m.Deny),
		checkSeats("max_connections", m.MaxConnections), checkSeats("max_per_address", m.MaxPerAddress),
		checkRate("rate_up", m.RateUp), checkRate("rate_down", m.RateDown),
	); err != nil {
		return err
	}
	least, why := time.Second, ""
	if m.UseTunnel { // CLOSE-013, RESET-004
		least, why = spec.LimitOf("idle-least").Time(), " through the tunnel"
	}
	if idle := time.Duration(m.IdleTimeout); idle != 0 && (idle < least || idle > mostIdle) {
		return refuse(Invalid, "idle_timeout", "must be %v to %v%s, or left out for none, not %v", least, mostIdle, why, idle)
	}
	switch {
	case m.Network == "" || m.Network == "tcp":
	case m.Network != "udp" && m.Network != "tcp+udp":
		return refuse(Invalid, "network", "%q must be tcp, udp or tcp+udp", m.Network)
	case m.UseTunnel:
		return refuse(Invalid, "network", "%s does not go through the tunnel; set use_tunnel to false and give a target that the server reaches itself", m.Network)
	}
	switch {
	case m.ProxyProtocol == "":
	case !m.TCP():
		return refuse(Invalid, "proxy_protocol", "needs network tcp or tcp+udp")
	case m.ProxyProtocol != "v1" && m.ProxyProtocol != "v2":
		return refuse(Invalid, "proxy_protocol", "%q must be v1 or v2", m.ProxyProtocol)
	case m.UseTunnel:
		return refuse(Invalid, "proxy_protocol", "is the client's to write where the tunnel is used; start it with --proxy_protocol HOST:PORT=%s, or set use_tunnel to false", m.ProxyProtocol)
	}
	return cmp.Or(m.checkBalance(), checkClient(m))
}

// checkBalance refuses what cannot be said of several targets.
func (m Mapping) checkBalance() error {
	switch {
	case m.Targets == nil && m.Balance == "" && m.HealthCheck == 0:
		return nil
	case m.UseTunnel:
		return refuse(Invalid, m.balanceField(), "is for mappings that do not use the tunnel; set use_tunnel to false, or leave it out")
	case !m.TCP():
		return refuse(Invalid, m.balanceField(), "needs network tcp or tcp+udp")
	case m.Targets == nil && m.Balance != "":
		return refuse(Invalid, "balance", "has no effect with one target; name more in targets, or leave it out")
	case m.Targets != nil && len(m.Targets) == 0:
		return refuse(Invalid, "targets", "is empty; leave it out, or name targets beside the first")
	case m.Balance != "" && !slices.Contains(balances, m.Balance):
		return refuse(Invalid, "balance", "%q must be %s", m.Balance, strings.Join(balances, " or "))
	case m.HealthCheck != 0 && (m.HealthCheck < leastCheck || m.HealthCheck > mostCheck):
		return refuse(Invalid, "health_check", "must be %v to %v, or left out for none, not %v", time.Duration(leastCheck), time.Duration(mostCheck), time.Duration(m.HealthCheck))
	}
	seen := []string{m.Target()}
	for _, text := range m.Targets {
		host, port, err := net.SplitHostPort(text)
		n, nerr := strconv.Atoi(port)
		if err != nil || nerr != nil || n < 1 || n > 65535 || !ValidHost(host) {
			return refuse(Invalid, "targets", "%q is not HOST:PORT, with an address or a DNS name and a port from 1 to 65535", text)
		}
		if text = net.JoinHostPort(host, strconv.Itoa(n)); slices.Contains(seen, text) {
			return refuse(Invalid, "targets", "%s is there twice; name each target once, and the first in target_host and target_port alone", text)
		}
		seen = append(seen, text)
	}
	return nil
}

// balanceField is the first field about several targets that is there.
func (m Mapping) balanceField() string {
	switch {
	case m.Targets != nil:
		return "targets"
	case m.Balance != "":
		return "balance"
	}
	return "health_check"
}

var balances = []string{"round_robin", "least_connections", "source_hash"}

// Bounds of the time between two checks.
const leastCheck, mostCheck = Duration(time.Second), Duration(time.Hour)

func checkPrefixes(field string, texts []string) error {
	if texts != nil && len(texts) == 0 {
		return refuse(Invalid, field, "is empty; leave it out, or name addresses")
	}
	for _, text := range texts {
		if _, err := ParsePrefix(text); err != nil {
			return refuse(Invalid, field, "%v", err)
		}
	}
	return nil
}

func checkSeats(field string, n int) error {
	if n < 0 || n > mostSeats {
		return refuse(Invalid, field, "must be 1 to %d, or left out for no bound, not %d", mostSeats, n)
	}
	return nil
}

func checkRate(field string, rate Rate) error {
	if rate != 0 && (rate < leastRate || rate > mostRate) {
		return refuse(Invalid, field, "must be %s to %s (a second), or left out for no bound, not %d", FormatSize(leastRate), FormatSize(mostRate), rate)
	}
	return nil
}

// mostIdle is the longest idle timeout: a month is as good as none.
const mostIdle = 31 * 24 * time.Hour

// Prefixes parses addresses and CIDRs that [Rules] let pass; it panics on others.
func Prefixes(texts []string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		p, err := ParsePrefix(text)
		if err != nil {
			panic("mapping: internal error: unchecked prefix " + text)
		}
		all = append(all, p)
	}
	return all
}

// Duration is a time that people write like 500ms or 10m.
type Duration time.Duration

// MarshalText writes it as it is read.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what [time.ParseDuration] does.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a time like 90s or 10m", text)
	}
	*d = Duration(v)
	return nil
}

// Rate is a number of bytes a second, which people may write like 512KiB.
type Rate int64

// UnmarshalJSON reads a whole number, or a text that [ParseSize] does.
func (r *Rate) UnmarshalJSON(text []byte) error {
	var written string
	if json.Unmarshal(text, &written) != nil {
		written = string(text)
	}
	n, err := ParseSize(written)
	*r = Rate(n)
	return err
}

type sizeUnit struct {
	name  string
	bytes int64
}

// sizeUnits are the units of a size, the largest first.
var sizeUnits = []sizeUnit{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// ParseSize reads a number of bytes, with or without a unit.
func ParseSize(text string) (int64, error) {
	number, unit := text, int64(1)
	for _, u := range sizeUnits {
		if before, ok := strings.CutSuffix(text, u.name); ok {
			number, unit = strings.TrimSpace(before), u.bytes
		}
	}
	v, err := strconv.ParseInt(number, 10, 64)
	if err != nil || v > math.MaxInt64/unit || v < 0 {
		return 0, fmt.Errorf("%q is not a number of bytes like 65536, 64KiB or 1MiB", text)
	}
	return v * unit, nil
}

// FormatSize writes a number of bytes as [ParseSize] reads it, in the largest unit that leaves it whole.
func FormatSize(n int64) string {
	i := slices.IndexFunc(sizeUnits, func(u sizeUnit) bool { return n != 0 && n%u.bytes == 0 })
	if i < 0 {
		return strconv.FormatInt(n, 10)
	}
	return strconv.FormatInt(n/sizeUnits[i].bytes, 10) + sizeUnits[i].name
}
