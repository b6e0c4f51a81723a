//go:build !linux

package faulty

import "errors"

// A burner needs Linux's clocks of CPU time.
type burner struct{ part float64 }

func (b *burner) burn() error { return errors.New("burning CPU needs Linux") }
