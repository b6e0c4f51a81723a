package worker

import (
	"context"

	"github.com/adit-tunnel/adit/loadgen/control"
	"github.com/adit-tunnel/adit/loadgen/workload"
)

// Look asks how the load goes: Looks. It may be left out, or come at any time in a block.
const Look = "look"

// Looks has one for each job, in their order.
type Looks struct {
	Groups []workload.Seen `json:"groups"`
}

func (w *Worker) look(context.Context, control.None) (out Looks, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.crews {
		seen, err := c.Look()
		if err != nil {
			return Looks{}, err
		}
		out.Groups = append(out.Groups, seen)
	}
	return out, nil
}
