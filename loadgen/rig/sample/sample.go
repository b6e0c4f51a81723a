// Package sample looks at processes and at the machine: what a run costs, and
// whether the machine was fit for it.
//
//	sample.go  Sampler: what processes use; Environment: the machine
//	runtime.go Runtime: what a Go program knows of itself alone
//	course.go  Course: how a process went over a long time
//	host.go    Host: what else happened on the machine
//	proc.go    what of a process only Linux tells
//	clock_*.go CPU time to the nanosecond
package sample

import (
	"maps"
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
	LoadAverage       [3]float64 `json:"load_average"`        // of the last 1, 5 and 15 minutes before the run
	OpenFiles         uint64     `json:"open_files"`          // that a process may have; 0: unknown
	MaxProcs          int        `json:"max_procs,omitempty"` // GOMAXPROCS of adit-load
	System            *System    `json:"system,omitempty"`
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
	e.OpenFiles, e.MaxProcs = openFiles(), runtime.GOMAXPROCS(0)
	s := readSystem()
	e.System = &s
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

// Usage is what a role's process, and all that it had started by then, used in the measured time.
type Usage struct {
	Role          string  `json:"role"`                     // server, client, relay, link, target, generator
	CPUSeconds    float64 `json:"cpu_seconds"`              // to the nanosecond on Linux
	UserSeconds   float64 `json:"user_seconds,omitempty"`   // of these in the program; in steps of 10 ms
	SystemSeconds float64 `json:"system_seconds,omitempty"` // of these in the kernel; in steps of 10 ms
	Switches      int64   `json:"switches,omitempty"`       // of context, by threads that live at the end
	Threads       int     `json:"threads,omitempty"`        // at the end
	Files         int     `json:"files,omitempty"`          // open descriptors, at the end
	StartRSS      int64   `json:"start_rss,omitempty"`      // at the start, bytes
	RSS           int64   `json:"rss"`                      // at the end, bytes
	PeakRSS       int64   `json:"peak_rss"`                 // the highest sample
	Course        *Course `json:"course,omitempty"`         // when the measured time was long
}

// A Sampler follows what processes use, and the machine. One goroutine samples memory; Stop ends it.
type Sampler struct {
	roles []string
	trees [][]*process.Process // of each role the process, and those that it has started
	begin []counters
	cpu   []float64 // seconds, at the start
	read  time.Time // when that was
	host  hostTimes
	peak  []int64
	paths []*Course // of the processes
	done  chan struct{}
	wg    sync.WaitGroup
}

// counters are what a process has used so far.
type counters struct {
	user, system float64          // seconds
	switches     map[string]int64 // by thread
	rss          int64
}

// sampleEvery is how often memory is looked at.
const sampleEvery = 100 * time.Millisecond

// New finds processes, given as role and number, and those that they have started; Start begins to follow them.
func New(roles []string, pids []int) *Sampler {
	s := &Sampler{roles: roles, done: make(chan struct{})}
	children := family()
	for _, pid := range pids {
		s.trees = append(s.trees, tree(int32(pid), children))
		s.paths = append(s.paths, &Course{Every: (courseTicks * sampleEvery).Seconds()})
	}
	s.peak = make([]int64, len(pids))
	return s
}

// Start begins the measured time.
func (s *Sampler) Start() {
	s.host = readHost()
	s.cpu, s.read = s.readCPU(), time.Now() // first in Stop, too: all processes within the same time
	s.wg.Go(s.follow)
}

// family is the children of every process.
func family() map[int32][]int32 {
	children := map[int32][]int32{}
	pids, _ := process.Pids()
	for _, pid := range pids {
		if parent, err := (&process.Process{Pid: pid}).Ppid(); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	return children
}

// tree is a process and all below it.
func tree(pid int32, children map[int32][]int32) []*process.Process {
	out := []*process.Process{{Pid: pid}}
	for _, child := range children[pid] {
		out = append(out, tree(child, children)...)
	}
	return out
}

// follow samples until Stop.
func (s *Sampler) follow() {
	for i, t := range s.trees { // here, as it takes a while
		c := count(t)
		s.begin, s.peak[i] = append(s.begin, c), c.rss
	}
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-s.done:
			return
		case <-tick.C:
			for i, t := range s.trees {
				rss := rssOf(t)
				s.peak[i] = max(s.peak[i], rss)
				s.paths[i].look(n, rss, func() int { return filesOf(t) })
			}
		}
	}
}

// Stop ends the measured time; what a process that has ended used is lost and shows as 0.
func (s *Sampler) Stop() ([]Usage, Host) {
	close(s.done)
	s.wg.Wait()
	used, took := s.readCPU(), time.Since(s.read)
	now := readHost()
	out, ours := make([]Usage, len(s.trees)), 0.0
	for i, t := range s.trees {
		from, to := s.begin[i], count(t)
		u := Usage{
			Role: s.roles[i], CPUSeconds: max(used[i]-s.cpu[i], 0), UserSeconds: max(to.user-from.user, 0), SystemSeconds: max(to.system-from.system, 0),
			StartRSS: from.rss, RSS: to.rss, PeakRSS: max(s.peak[i], to.rss),
		}
		for thread, n := range to.switches {
			u.Switches += n - from.switches[thread]
		}
		for _, p := range t {
			if n, err := p.NumThreads(); err == nil {
				u.Threads += int(n)
			}
			if n, err := p.NumFDs(); err == nil {
				u.Files += int(n)
			}
		}
		if len(s.paths[i].RSS) >= courseLeast {
			u.Course = s.paths[i]
		}
		ours += u.CPUSeconds
		out[i] = u
	}
	h := now.since(s.host, ours)
	h.Seconds = took.Seconds()
	if l, err := load.Avg(); err == nil {
		h.Load = l.Load1
	}
	if m, err := mem.VirtualMemory(); err == nil {
		h.FreeMemory = m.Available
	}
	sockets(&h)
	return out, h
}

func count(tree []*process.Process) counters {
	c := counters{rss: rssOf(tree), switches: map[string]int64{}}
	for _, p := range tree {
		if t, err := p.Times(); err == nil {
			c.user, c.system = c.user+t.User, c.system+t.System
		}
		maps.Copy(c.switches, switches(p.Pid))
	}
	return c
}

// readCPU reads what each process has used so far, in seconds.
func (s *Sampler) readCPU() []float64 {
	out := make([]float64, len(s.trees))
	for i, t := range s.trees {
		for _, p := range t {
			if ns, ok := cpuTime(p.Pid); ok {
				out[i] += time.Duration(ns).Seconds()
			} else if t, err := p.Times(); err == nil {
				out[i] += t.User + t.System
			}
		}
	}
	return out
}

func rssOf(tree []*process.Process) (bytes int64) {
	for _, p := range tree {
		if m, err := p.MemoryInfo(); err == nil {
			bytes += int64(m.RSS)
		}
	}
	return bytes
}

// readHost reads the machine's account of its CPUs.
func readHost() hostTimes {
	h := hostTimes{at: time.Now()}
	if t, err := cpu.Times(false); err == nil && len(t) == 1 {
		h.idle, h.steal = t[0].Idle+t[0].Iowait, t[0].Steal
		h.busy = t[0].User + t[0].Nice + t[0].System + t[0].Irq + t[0].Softirq
	}
	h.stalled, h.known = stalled()
	return h
}

// filesOf is how many descriptors the processes have open.
func filesOf(tree []*process.Process) (files int) {
	for _, p := range tree {
		n, _ := p.NumFDs() // a process that has ended has none
		files += int(n)
	}
	return files
}

// coarseCPU is a process's CPU time in seconds, to a hundredth or so.
func coarseCPU(pid int32) float64 {
	t, err := (&process.Process{Pid: pid}).Times()
	if err != nil {
		return 0
	}
	return t.User + t.System
}
