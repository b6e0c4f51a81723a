package api

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// process is what the server itself takes up. What the system does not tell is 0.
type process struct {
	Goroutines      int     `json:"goroutines"`
	CPU             float64 `json:"cpu_seconds"`  // so far
	Memory          int64   `json:"memory_bytes"` // that the system has given it
	Descriptors     int     `json:"descriptors"`
	MostDescriptors int64   `json:"max_descriptors"`
}

func newProcess() *prometheus.Registry {
	all := prometheus.NewRegistry()
	all.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return all
}

// processNow takes from the metrics what people look at first.
func (h *handler) processNow() process {
	values := map[string]float64{}
	families, err := h.process.Gather()
	if err != nil {
		h.Logger.Debug("the system does not tell all of the process", "error", err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			values[f.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return process{
		Goroutines: int(values["go_goroutines"]), CPU: values["process_cpu_seconds_total"], Memory: int64(values["process_resident_memory_bytes"]),
		Descriptors: int(values["process_open_fds"]), MostDescriptors: int64(values["process_max_fds"]),
	}
}
