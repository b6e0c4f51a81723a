package record

// An Of says what a number belongs to: a metric of a group, or of all groups
// together, in a cell on a route.
type Of struct {
	Metric string `json:"metric"`
	Cell   string `json:"cell"`
	Group  string `json:"group,omitempty"` // empty: all groups of the cell together
	Route
}

// A Summary is a metric over the repetitions. Median and interval are in Unit.
type Summary struct {
	Of
	Estimate
	Unit   string `json:"unit"`
	Better string `json:"better"` // lower or higher
}

// A Ratio is a metric as part of what another path had in the same repetition.
type Ratio struct {
	Of
	To string `json:"to"` // direct or relay
	Estimate
	Better string `json:"better"`
}

// A Floor is the smallest change of a metric that the machine could show during
// the run: so far apart two measurements of the same may be. 0.03 is 3 %; of a
// share, 3 points.
type Floor struct {
	Metric string  `json:"metric"`
	Group  string  `json:"group,omitempty"`
	N      int     `json:"n"` // pairs of blocks
	Change float64 `json:"change"`
}
