package workload

import "github.com/adit-tunnel/adit/loadgen/hist"

// Seen is how a load goes so far: what its counters hold anyway.
type Seen struct {
	OK       int64     `json:"ok"`       // packets, churn: connections, in the measured time
	Received int64     `json:"received"` // octets that came from the target; echoes apart
	Latency  hist.Part `json:"latency"`  // response, without a rate service
}

// Look reads the counters while the load runs. It costs the load nothing but
// the moment in which a shard of the histogram is copied.
func (c *Crew) Look() (s Seen, err error) {
	s.OK, s.Received = c.ok.Load(), c.received.Load()
	of := c.service
	if c.response != nil {
		of = c.response
	}
	s.Latency, err = of.Part()
	return s, err
}
