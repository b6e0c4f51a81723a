package loadgen

import (
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/host"
	"github.com/shirou/gopsutil/v3/mem"
	"github.com/shirou/gopsutil/v3/process"
)

// Environment is the machine on which a run took place.
type Environment struct {
	OS                string `json:"os"`
	Kernel            string `json:"kernel"`
	CPU               string `json:"cpu"`
	CPUs              int    `json:"cpus"`
	Memory            uint64 `json:"memory"`
	Virtualization    string `json:"virtualization,omitempty"`
	Go                string `json:"go"`
	CongestionControl string `json:"congestion_control,omitempty"`
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
	if b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control"); err == nil {
		e.CongestionControl = strings.TrimSpace(string(b))
	}
	return e
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
