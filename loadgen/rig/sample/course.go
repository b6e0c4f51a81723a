package sample

import "time"

// A Course is how large a process was over the measured time, at equal
// distances. It is bounded: of a long time it has wider ones.
type Course struct {
	Every float64 `json:"every_seconds"`
	RSS   []int64 `json:"rss"`   // bytes
	Files []int   `json:"files"` // open descriptors
}

const (
	courseTicks = 5   // samples of memory for each point, at first
	courseLeast = 20  // points; fewer say nothing about a course
	courseMost  = 240 // points; then every second one goes
)

// look adds a point at the n-th sample, if one is due.
func (c *Course) look(n int, rss int64, files func() int) {
	if every := int(c.Every/sampleEvery.Seconds() + 0.5); n%every != 0 {
		return
	}
	c.add(rss, files())
}

// add is one point more.
func (c *Course) add(rss int64, files int) {
	c.RSS, c.Files = append(c.RSS, rss), append(c.Files, files)
	if len(c.RSS) < courseMost {
		return
	}
	for i := range courseMost / 2 {
		c.RSS[i], c.Files[i] = c.RSS[2*i+1], c.Files[2*i+1] // those that a wider distance would have taken
	}
	c.RSS, c.Files, c.Every = c.RSS[:courseMost/2], c.Files[:courseMost/2], 2*c.Every
}

// At is when the i-th point was taken, from the start of the measured time.
func (c *Course) At(i int) time.Duration {
	return time.Duration(float64(i+1) * c.Every * float64(time.Second))
}
