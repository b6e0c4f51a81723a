package cmd

import (
	"fmt"
	"io"
	"time"
)

// Doctor prints what was looked at, and what is wrong with it.
type Doctor struct {
	Out    io.Writer
	faults int
}

// Find prints one finding: err says what is wrong and the remedy; nil: well is how it is.
func (d *Doctor) Find(what, well string, err error) {
	if err != nil {
		d.faults++
		_, _ = fmt.Fprintf(d.Out, "FAULT  %s: %v\n", what, err)
		return
	}
	_, _ = fmt.Fprintf(d.Out, "ok     %s: %s\n", what, well)
}

// Machine looks at what both programs need: a clock that certificates and tokens can go by, and descriptors for that many
// connections.
func (d *Doctor) Machine(now time.Time, descriptors, connections int) {
	var err error
	if now.Year() < 2025 {
		err = fmt.Errorf("it shows %s, which cannot be; set it (timedatectl), or certificates and tokens count as not valid yet", now.Format(time.DateTime))
	}
	d.Find("clock", now.Format(time.RFC3339), err)
	const others = 100 // listeners, tunnels, files
	err = nil
	if descriptors > 0 && descriptors < connections+others {
		err = fmt.Errorf("%d, and max_connections allows %d connections with one each; raise the limit (ulimit -n, LimitNOFILE), or lower max_connections", descriptors, connections)
	}
	d.Find("descriptors", fmt.Sprintf("%d for %d connections", descriptors, connections), err)
}

// Code is the exit code: 1 if something is wrong.
func (d *Doctor) Code() int {
	if d.faults > 0 {
		_, _ = fmt.Fprintf(d.Out, "%d faults\n", d.faults)
		return 1
	}
	return 0
}
