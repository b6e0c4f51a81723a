package sample

import (
	"flag"
	"math"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v3/process"
)

// spin, as a flag of the test binary, makes it a process that burns CPU until it is ended.
var spin = flag.Bool("spin", false, "")

func TestMain(m *testing.M) {
	flag.Parse()
	for i := 0; *spin; i++ {
		_ = math.Sqrt(float64(i))
	}
	os.Exit(m.Run())
}

// What a process used is seen from outside, finer than the kernel's ticks of 10 ms.
func TestTheUseOfAProcessIsSeenFromOutside(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-spin")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	isSeen(t, cmd.Process.Pid, int32(cmd.Process.Pid))
}

// So is that of one which a shell has started for it, as subject files do.
func TestTheUseOfAProcessIsThatOfItsChildrenToo(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `"$0" -spin & echo; wait`, os.Args[0])
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("not run: %v", err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	spinning := family()[int32(cmd.Process.Pid)]
	if len(spinning) != 1 {
		t.Fatalf("the shell has children %v; want one", spinning)
	}
	child := &process.Process{Pid: spinning[0]}
	defer func() { _, _, _ = child.Kill(), cmd.Process.Kill(), cmd.Wait() }()
	isSeen(t, cmd.Process.Pid, child.Pid)
}

// isSeen samples a process until 30 ms of CPU time were used, by spinning.
func isSeen(t *testing.T, pid int, spinning int32) {
	t.Helper()
	s := New([]string{"server"}, []int{pid})
	s.Start()
	begin := s.cpu[0]
	for deadline := time.Now().Add(30 * time.Second); ; {
		if now := s.readCPU()[0] - begin; now > 0.03 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("30 ms of CPU were not used within 30 s")
		}
	}
	used, h := s.Stop()
	u := used[0]
	if u.Role != "server" || u.CPUSeconds < 0.03 || u.StartRSS == 0 || u.PeakRSS < u.RSS || u.Threads == 0 || u.Files == 0 {
		t.Errorf("Stop() = %+v; want 30 ms or more, memory, threads and descriptors", u)
	}
	if ns, fine := cpuTime(spinning); fine && (ns%10_000_000 == 0 || u.Switches == 0) {
		t.Errorf("CPU time %d ns, %d switches of context; want it finer than 10 ms, and some", ns, u.Switches)
	}
	if h.Busy <= 0 || h.Busy > 1 || h.FreeMemory == 0 || h.Others < 0 || h.Others > h.Busy {
		t.Errorf("host %+v; want it busy, and not all by others", h)
	}
}

func TestAProcessThatHasEndedShowsZero(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^$")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	s := New([]string{"client"}, []int{cmd.ProcessState.Pid()})
	s.Start()
	used, _ := s.Stop()
	if want := (Usage{Role: "client"}); used[0] != want {
		t.Errorf("Stop() = %+v; want %+v", used[0], want)
	}
}

func TestWhatTheKernelWrites(t *testing.T) {
	if d, ok := parsePressure("some avg10=78.16 avg60=59.26 avg300=54.13 total=1503874382\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"); !ok || d != 1503874382*time.Microsecond {
		t.Errorf("parsePressure() = %v, %v", d, ok)
	}
	if _, ok := parsePressure("nothing\n"); ok {
		t.Error("parsePressure(nothing) is known")
	}
	if inUse, wait, ok := parseSockets("sockets: used 77\nTCP: inuse 24 orphan 0 tw 371 alloc 38 mem 2\nUDP: inuse 0 mem 0\n"); !ok || inUse != 24 || wait != 371 {
		t.Errorf("parseSockets() = %d, %d, %v; want 24, 371", inUse, wait, ok)
	}
	if n := parseSwitches("Name:\tx\nvoluntary_ctxt_switches:\t40\nnonvoluntary_ctxt_switches:\t2\n"); n != 42 {
		t.Errorf("parseSwitches() = %d; want 42", n)
	}
	// Two seconds on four CPUs: five of eight CPU seconds busy, two of them ours, one stolen.
	begin := hostTimes{at: time.Unix(0, 0), busy: 10, idle: 20, steal: 1, known: true}
	h := hostTimes{at: time.Unix(2, 0), busy: 15, idle: 22, steal: 2, stalled: time.Second, known: true}.since(begin, 2)
	if h.Busy != 5.0/8 || h.Others != 3.0/8 || h.Steal != 1.0/8 || h.Pressure == nil || *h.Pressure != 0.5 {
		t.Errorf("since() = %+v; want 5, 3 and 1 of 8, half under pressure", h)
	}
}
