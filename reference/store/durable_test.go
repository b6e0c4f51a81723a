package store

import (
	"path/filepath"
	"testing"
)

// A kill cannot show what a power cut would: that each commit was forced to the disk, and the journal's
// removal too.
func TestCommitsAreForcedToDisk(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "m.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	const extra = "3"
	for pragma, want := range map[string]string{"synchronous": extra, "journal_mode": "delete", "locking_mode": "exclusive"} {
		var got string
		if err := s.db.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("PRAGMA %s = %q, %v; want %s", pragma, got, err, want)
		}
	}
}
