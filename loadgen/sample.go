package loadgen

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/host"
	"github.com/shirou/gopsutil/v3/load"
	"github.com/shirou/gopsutil/v3/mem"
	"github.com/shirou/gopsutil/v3/process"
)

// Environment is the machine on which a run took place.
type Environment struct {
	OS                string     `json:"os"`
	Kernel            string     `json:"kernel"`
	CPU               string     `json:"cpu"`
	CPUs              int        `json:"cpus"`
	Memory            uint64     `json:"memory"`
	Virtualization    string     `json:"virtualization,omitempty"`
	Go                string     `json:"go"`
	CongestionControl string     `json:"congestion_control,omitempty"`
	LoadAverage       [3]float64 `json:"load_average"` // of the last 1, 5 and 15 minutes before the run
	OpenFiles         uint64     `json:"open_files"`   // that a process may have; 0: unknown
}

// ReadEnvironment describes this machine, as far as it tells.
func ReadEnvironment() Environment {
	e := Environment{OS: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()}
	e.Kernel, _ = host.KernelVersion()
	if info, err := cpu.Info(); err == nil && len(info) > 0 {
		e.CPU = info[0].ModelName
	}
	if m, err := mem.VirtualMemory(); err == nil {
		e.Memory = m.Total
	}
	if system, role, err := host.Virtualization(); err == nil && role == "guest" {
		e.Virtualization = system
	}
	if l, err := load.Avg(); err == nil {
		e.LoadAverage = [3]float64{l.Load1, l.Load5, l.Load15}
	}
	e.OpenFiles = openFiles()
	if b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control"); err == nil {
		e.CongestionControl = strings.TrimSpace(string(b))
	}
	return e
}

// openFiles is the hard limit of open files, up to which Go programs raise their own; 0: unknown.
func openFiles() uint64 {
	limits, err := (&process.Process{Pid: int32(os.Getpid())}).Rlimit()
	if err != nil {
		return 0
	}
	for _, l := range limits {
		if l.Resource == process.RLIMIT_NOFILE {
			return l.Hard
		}
	}
	return 0
}

// A LimitError says that this machine does not let a scenario run.
type LimitError struct{ Problem string }

func (e *LimitError) Error() string { return e.Problem }

// spareFiles is what a process needs besides its connections.
const spareFiles = 64

// preflight checks that each process may have as many open files as it will
// need: the relay and a tunnel's server two for each connection.
func preflight(s *Scenario, e Environment) error {
	for _, c := range s.Cells {
		if need := 2*uint64(c.Connections) + spareFiles; e.OpenFiles > 0 && need > e.OpenFiles {
			return &LimitError{fmt.Sprintf("scenario %s: %v needs %d open files in a process; the limit is %d: raise it (ulimit -Hn %d), or take %d connections or fewer",
				s.Name, c, need, e.OpenFiles, need, (max(e.OpenFiles, spareFiles)-spareFiles)/2)}
		}
	}
	return nil
}

// A sampler follows what processes use. One goroutine samples memory; stop ends it.
type sampler struct {
	roles []string
	procs []*process.Process
	begin []float64
	peak  []int64
	done  chan struct{}
	wg    sync.WaitGroup
}

// sampleEvery is how often memory is looked at.
const sampleEvery = 100 * time.Millisecond

// newSampler begins to follow processes, given as role and number.
func newSampler(roles []string, pids []int) *sampler {
	s := &sampler{roles: roles, done: make(chan struct{})}
	for _, pid := range pids {
		s.procs = append(s.procs, &process.Process{Pid: int32(pid)})
	}
	s.peak = make([]int64, len(pids))
	for i := range s.procs {
		s.begin = append(s.begin, s.cpuOf(i))
		s.peak[i] = s.rssOf(i)
	}
	s.wg.Go(s.follow)
	return s
}

// follow samples until stop.
func (s *sampler) follow() {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-tick.C:
			for i := range s.procs {
				s.peak[i] = max(s.peak[i], s.rssOf(i))
			}
		}
	}
}

// stop ends the measured time; what a process that has ended used is lost and shows as 0.
func (s *sampler) stop() []Usage {
	close(s.done)
	s.wg.Wait()
	out := make([]Usage, len(s.procs))
	for i, role := range s.roles {
		rss := s.rssOf(i)
		out[i] = Usage{Role: role, CPUSeconds: max(s.cpuOf(i)-s.begin[i], 0), RSS: rss, PeakRSS: max(s.peak[i], rss)}
	}
	return out
}

func (s *sampler) cpuOf(i int) float64 {
	t, err := s.procs[i].Times()
	if err != nil {
		return 0
	}
	return t.User + t.System
}

func (s *sampler) rssOf(i int) int64 {
	m, err := s.procs[i].MemoryInfo()
	if err != nil {
		return 0
	}
	return int64(m.RSS)
}
