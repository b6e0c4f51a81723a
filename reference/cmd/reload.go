package cmd

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/adit-tunnel/adit/reference/config"
	"github.com/adit-tunnel/adit/reference/files"
)

// lookAtFile is how often the file of the configuration is looked at.
const lookAtFile = time.Second

// Reloads are the configurations that the file of a program has after the first. Nil: there is no file.
type Reloads[C config.Program] struct {
	first   C
	watched *files.Watched[C]
	hangUps chan os.Signal // SIGHUP: read the file again
}

// follow begins to note SIGHUP, where the configuration has a file.
func follow[C config.Program](first C, load func() (C, error)) *Reloads[C] {
	if first.ConfigFile() == "" {
		return nil
	}
	r := newReloads(first, load)
	signal.Notify(r.hangUps, syscall.SIGHUP)
	return r
}

func newReloads[C config.Program](first C, load func() (C, error)) *Reloads[C] {
	r := &Reloads[C]{first: first, hangUps: make(chan os.Signal, 1)}
	begun := false
	r.watched, _ = files.Watch("configuration", func() (C, error) { // the first reading has been done
		if !begun {
			begun = true
			return first, nil
		}
		return load()
	}, first.ConfigFile())
	return r
}

// Follow calls apply with every configuration that differs in what can change while the program runs, until ctx ends. The log is
// told of all that has changed, and of a file that cannot be used, which changes nothing.
func (r *Reloads[C]) Follow(ctx context.Context, log *slog.Logger, apply func(C) error) {
	if r == nil {
		return
	}
	tick := time.NewTicker(lookAtFile)
	defer tick.Stop()
	now := r.first
	for {
		changed, asked := false, false
		var err error
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			changed, err = r.watched.Refresh()
		case <-r.hangUps:
			asked, err = true, r.watched.Reread()
		}
		if err != nil {
			log.Error("the configuration cannot be used; the one that was read before goes on", "error", err)
			continue
		}
		if !changed && !asked {
			continue
		}
		next := r.watched.Value()
		live, _ := config.Changed(&now, &next)
		_, restart := config.Changed(&r.first, &next)
		log.Info("the configuration was read again", "file", next.ConfigFile(), "changed", live)
		if len(restart) > 0 {
			log.Warn("needs a restart: these keys have changed, and have no effect yet", "keys", restart)
		}
		if len(live) > 0 {
			if err := apply(next); err != nil {
				log.Error("not all of the configuration has an effect", "error", err)
			}
		}
		now = next
	}
}
