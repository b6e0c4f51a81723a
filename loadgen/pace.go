package loadgen

import "time"

// A pace says when packets are due, as pure arithmetic: packet i of
// connection conn, counted from the start of the schedule. The packets of all
// connections are spread evenly.
type pace struct {
	rate  float64 // packets per second of all connections; 0: no schedule
	conns int
}

func (p pace) due(conn, i int) time.Duration {
	return time.Duration((float64(i)*float64(p.conns) + float64(conn)) / p.rate * float64(time.Second))
}
