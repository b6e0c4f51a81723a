package record

// What ended a search.
const (
	LimitedByGoal      = "goal"      // the knee is known to the scenario's precision
	LimitedByRange     = "range"     // the highest value that the scenario allows keeps the goal: the knee lies higher
	LimitedByGenerator = "generator" // at more the generator itself is late: the knee lies higher, or is the generator's
	LimitedByProbes    = "probes"    // it took too many blocks
)

// A Search is how the knee of one cell on one route was found. Its block is
// that of the knee, or of the first probe when none kept the goal.
type Search struct {
	Cell string `json:"cell"`
	Route
	Repetition int     `json:"repetition"`
	Of         string  `json:"of"`   // what was varied
	Knee       float64 `json:"knee"` // the highest value that kept the goal; 0: none did
	Limit      string  `json:"limit"`
	Probes     []Probe `json:"probes"`
}

// A Probe is one block of a search.
type Probe struct {
	At     float64 `json:"at"` // the value
	Kept   bool    `json:"kept"`
	Late   bool    `json:"generator_late,omitempty"` // so that it says nothing about the route
	Reason string  `json:"reason,omitempty"`         // why the goal was not kept
	Value  int64   `json:"value_ns,omitempty"`       // what the goal looks at
}
