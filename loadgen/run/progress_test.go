package run

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func TestTheStatusSaysWhatRunsAndHowItGoes(t *testing.T) {
	n := Notice{
		Event: Interval, Scenario: "speed", Cell: "upload", Route: "tunnel x", Done: 3, Of: 12, Left: 61.7,
		Groups: []Going{{Name: "bulk", Octets: 12_340_000}, {Name: "probe", Octets: 1e6, P99: 2_500_000}},
	}
	if got, want := status(n), "3/12 1m2s left  speed, upload, tunnel x, bulk 12.34 MB/s; probe 1.00 MB/s, p99 2.500 ms"; got != want {
		t.Errorf("status = %q; want %q", got, want)
	}
	n = Notice{Event: Phase, Phase: "drain", Scenario: "speed", Cell: "upload", Route: "direct", Of: 12}
	if got, want := status(n), "0/12 0s left  speed, upload, direct, drain"; got != want {
		t.Errorf("status = %q; want %q", got, want)
	}
	if p := newProgress(&bytes.Buffer{}); p.w != nil {
		t.Error("a pipe is shown a bar")
	}
}

func TestEventsGoToAFileOrToStdout(t *testing.T) {
	name := filepath.Join(t.TempDir(), "events")
	var stdout bytes.Buffer
	for _, to := range []string{name, "-", ""} {
		e, err := openEvents(to, &stdout)
		if err != nil {
			t.Fatal(err)
		}
		e.write(Notice{Event: Planned, Scenario: "x"})
		e.write(Notice{Event: Verdict, Scenario: "x"})
		if err := e.close(); err != nil {
			t.Error(err)
		}
	}
	file, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(file, stdout.Bytes()) || bytes.Count(file, []byte("\n")) != 2 {
		t.Errorf("%v, file %q, stdout %q; want the same two lines", err, file, stdout.Bytes())
	}
	var n Notice
	if err := json.Unmarshal(bytes.SplitN(file, []byte("\n"), 2)[0], &n); err != nil || n.Event != Planned {
		t.Errorf("first line: %v, %+v", err, n)
	}
	if _, err := openEvents(filepath.Join(name, "no"), &stdout); err == nil {
		t.Error("a file that cannot be made is no error")
	}
	e, err := openEvents(name, &stdout)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.file.Close(); err != nil {
		t.Fatal(err)
	}
	e.write(Notice{})
	if e.close() == nil {
		t.Error("a notice that was not written is no error")
	}
}
