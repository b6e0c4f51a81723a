package files

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
)

// Watched is what was made of files, and is made again when they have changed. Safe for use from any number of goroutines.
type Watched[T any] struct {
	what  string // they are, for the log
	names []string
	read  func() (T, error)

	refreshing sync.Mutex // held while the files are read again: what is read last counts

	mu    sync.Mutex // guards the following fields
	value T
	looks string // of the files, when they were last read
}

// Watch reads files for the first time. An error leaves what read returned with it.
func Watch[T any](what string, read func() (T, error), names ...string) (*Watched[T], error) {
	w := &Watched[T]{what: what, names: names, read: read, looks: looks(names)}
	var err error
	w.value, err = read()
	return w, err
}

// Value is what the files held when they were last read without a mistake.
func (w *Watched[T]) Value() T {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.value
}

// Refresh reads the files again if they look different, and reports whether it did. With an error, which files have once, the
// value stays as it is.
func (w *Watched[T]) Refresh() (changed bool, err error) {
	w.refreshing.Lock()
	defer w.refreshing.Unlock()
	if !w.noteLooks(looks(w.names)) {
		return false, nil
	}
	err = w.readAgain()
	return err == nil, err
}

// Reread reads the files again, whatever they look like. With an error the value stays as it is.
func (w *Watched[T]) Reread() error {
	w.refreshing.Lock()
	defer w.refreshing.Unlock()
	w.noteLooks(looks(w.names))
	return w.readAgain()
}

func (w *Watched[T]) readAgain() error {
	value, err := w.read()
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.value = value
	return nil
}

// Now is Value after a Refresh. The log is told once of what has changed.
func (w *Watched[T]) Now(log *slog.Logger) T {
	switch changed, err := w.Refresh(); {
	case err != nil:
		log.Error(w.what+" have changed and cannot be used; those that were read before go on", "error", err)
	case changed:
		log.Info(w.what+" have changed, and were read again", "files", w.names)
	}
	return w.Value()
}

// noteLooks reports whether the files looked different before.
func (w *Watched[T]) noteLooks(now string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.looks
	w.looks = now
	return now != before
}

// looks is what shows that one of the files has changed, without reading it. A new mode counts: it may be why a file could not
// be read.
func looks(names []string) string {
	var b strings.Builder
	for _, name := range names {
		if info, err := os.Stat(name); err != nil {
			fmt.Fprintln(&b, err)
		} else {
			fmt.Fprintln(&b, info.ModTime().UnixNano(), info.Size(), info.Mode())
		}
	}
	return b.String()
}
