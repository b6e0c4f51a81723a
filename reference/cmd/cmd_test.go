package cmd

import (
	"os"
	"slices"
	"syscall"
	"testing"
)

func TestTheSecondSignalIsNotLostHoweverSoonItComes(t *testing.T) {
	signals := make(chan os.Signal, 2)
	signals <- os.Interrupt
	var calls []string
	obey(signals, func() {
		calls = append(calls, "stop")
		signals <- syscall.SIGTERM
	}, func(second os.Signal) { calls = append(calls, "end by "+second.String()) })
	if want := []string{"stop", "end by terminated"}; !slices.Equal(calls, want) {
		t.Errorf("obey called %v; want %v", calls, want)
	}
}
