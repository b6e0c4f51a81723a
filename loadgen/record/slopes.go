package record

import "github.com/adit-tunnel/adit/loadgen/stats"

// A Slope is how a process grows, over all blocks of a route. Of churn it is
// what each connection leaves behind; of idle connections what each one takes.
type Slope struct {
	Route
	Role string `json:"role"` // server, client or relay
	What string `json:"what"` // rss in octets, files, threads
	Per  string `json:"per"`  // connection made, or idle connection
	stats.Estimate
}

// Per what a Slope is.
const (
	PerMade = "connection made"
	PerIdle = "idle connection"
)

// Apart is the isolation score: a percentile of a group while readers stall, as
// part of what it is in the cell without them, within the repetition.
type Apart struct {
	Route
	Cell   string `json:"cell"`
	Group  string `json:"group"`
	Metric string `json:"metric"`
	stats.Estimate
}
