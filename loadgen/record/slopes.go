package record

// A Slope is how a process grows. Over all blocks of a route it is of churn
// what each connection leaves behind, the median from block to block, and of idle connections what each one
// takes; within a long block it is per hour.
type Slope struct {
	Route
	Role string `json:"role"` // server, client or relay
	What string `json:"what"` // rss in bytes, files, threads
	Per  string `json:"per"`  // connection made, idle connection, stalled reader, or hour
	Estimate
	Zero float64 `json:"at_zero,omitempty"` // where the line begins
}

// Per what a Slope is.
const (
	PerMade = "connection made"
	PerIdle = "idle connection"

	PerStalled = "stalled reader"
	PerHour    = "hour"
)

// Apart is the isolation score: a percentile of a group while readers stall, or
// beside a load, as part of what it is in the cell without them, within the repetition.
type Apart struct {
	Route
	Cell   string `json:"cell"`
	Group  string `json:"group"`
	Metric string `json:"metric"`
	Estimate
}
