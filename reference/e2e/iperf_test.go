package e2e

import (
	"encoding/json"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
)

// iperfReport is the part of iperf3's own JSON that says whether the run went well.
type iperfReport struct {
	Error string `json:"error"`
	End   struct {
		Streams []struct {
			Sender, Receiver struct {
				Bytes int64 `json:"bytes"`
			}
		} `json:"streams"`
		Received struct {
			Bytes         int64   `json:"bytes"`
			BitsPerSecond float64 `json:"bits_per_second"`
		} `json:"sum_received"`
	} `json:"end"`
}

// TestIperf runs iperf3 in both directions, ten streams in parallel.
func TestIperf(t *testing.T) {
	binaries(t)
	iperf := need(t, "iperf3", "iperf3")
	port := freePort(t)
	server := start(t, "iperf3 -s", syscall.SIGTERM, exec.Command(iperf, "-s", "-B", "127.0.0.1", "-p", strconv.Itoa(port), "--forceflush"))
	server.log.wait(t, 0, "Server listening")
	tun := open(t, loopback(port))
	for _, direction := range []struct {
		name string
		args []string
	}{{name: "upload"}, {"download", []string{"-R"}}} {
		t.Run(direction.name, func(t *testing.T) {
			mark := server.log.mark()
			defer server.log.wait(t, mark, "Server listening") // until then it takes nobody
			out, code := run(t, nil, iperf, append([]string{
				"-c", "127.0.0.1", "-p", strconv.Itoa(portOf(t, tun.public[0])), "-P", "10", "-t", "3", "-J",
			}, direction.args...)...)
			var report iperfReport
			if err := json.Unmarshal(out, &report); err != nil || code != 0 || report.Error != "" {
				t.Fatalf("iperf3: exit code %d, error %q, JSON %v", code, report.Error, err)
			}
			if n := len(report.End.Streams); n != 10 {
				t.Fatalf("iperf3 reports %d streams, not 10", n)
			}
			for i, stream := range report.End.Streams {
				if stream.Sender.Bytes == 0 || stream.Receiver.Bytes == 0 {
					t.Errorf("stream %d: %d bytes sent, %d received", i, stream.Sender.Bytes, stream.Receiver.Bytes)
				}
			}
			t.Logf("%.0f MB received, %.2f Gbit/s", float64(report.End.Received.Bytes)/1e6, report.End.Received.BitsPerSecond/1e9)
		})
	}
}
