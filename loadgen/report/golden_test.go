package report

import (
	"path/filepath"
	"testing"

	"github.com/adit-tunnel/adit/loadgen/record"
)

// TestNumbersStay renders two records that were measured once: two tunnels
// beside each other, and a line that breaks. Their numbers never change.
func TestNumbersStay(t *testing.T) {
	for _, name := range []string{"pair", "outage"} {
		records, _, err := record.Load(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		for file, content := range files(records[0]) {
			if file != htmlFile {
				golden(t, filepath.Join(name, file), content)
			}
		}
		golden(t, filepath.Join(name, "comparison.txt"), Comparison(records[0].Comparison))
		golden(t, filepath.Join(name, "console.txt"), Console(records[0], false))
	}
}
