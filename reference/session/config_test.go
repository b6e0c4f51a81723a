package session

import (
	"reflect"
	"testing"
	"time"
)

func TestDefaultsAreThoseOfTheText(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		want := Config{
			Role: role, ConnectTimeout: 10 * time.Second, DialTimeout: 8 * time.Second, KeepAliveInterval: 15 * time.Second,
			DeadPeer: 45 * time.Second, CloseDrain: 5 * time.Second, CloseTotal: 30 * time.Second,
			CloseStall: 30 * time.Second, CloseMost: 300 * time.Second, CloseWait: 60 * time.Second, PauseSign: 15 * time.Second,
			StallLimit: 5 * time.Second, StallBudget: 10 * time.Second, StallWindow: 15 * time.Second, FrameProgress: 60 * time.Second,
			MaxQueue: 1 << 20, MaxConnections: 16384,
			Window: 256 << 10, Memory: 512 << 20, Linger: 300 * time.Second, Grease: 16,
		}
		got := Config{Role: role}.withDefaults()
		got.Logger = nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("defaults of a %v = %+v; want %+v", role, got, want)
		}
	}
	if fair != 64<<10 || maxOwed != 256<<10 || maxDiscard != 1<<20 || maxRetired != 65536 {
		t.Errorf("fair, maxOwed, maxDiscard, maxRetired = %d, %d, %d, %d; want 64 KiB, 256 KiB, 1 MiB, 65536", fair, maxOwed, maxDiscard, maxRetired)
	}
}
