package subject

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A socket is a line of /proc/net/tcp.
type socket struct {
	local, remote netip.AddrPort
	state         string
	uid           string
	inode         string // 0: nobody has accepted it yet, or holds it any more
}

// States of a socket, as the kernel writes them.
const (
	established = "01"
	closeWait   = "08" // the other side has ended
	listening   = "0A"
)

func (s socket) open() bool { return s.state == established || s.state == closeWait }

// socketsOf are the TCP sockets in the network namespace of a process that have one of the ports.
func socketsOf(pid string, ports []uint16) (out []socket, err error) {
	var of []string
	for _, p := range ports {
		of = append(of, fmt.Sprintf(":%04X ", p))
	}
	for _, table := range []string{"tcp", "tcp6"} {
		f, err := os.Open("/proc/" + pid + "/net/" + table)
		if errors.Is(err, os.ErrNotExist) && table == "tcp6" { // a kernel without IPv6
			continue
		} else if err != nil {
			return nil, err
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			line := lines.Text()
			if !slices.ContainsFunc(of, func(port string) bool { return strings.Contains(line, port) }) {
				continue
			}
			if s, ok := parseSocket(line); ok {
				out = append(out, s)
			}
		}
		_ = f.Close()
	}
	return out, nil
}

// parseSocket reads a line: number, local and remote address, state, queues, timer, retransmissions, user, timeout, inode.
func parseSocket(line string) (s socket, ok bool) {
	f := strings.Fields(line)
	if len(f) < 10 {
		return s, false
	}
	var okLocal, okRemote bool
	s.local, okLocal = parseAddr(f[1])
	s.remote, okRemote = parseAddr(f[2])
	s.state, s.uid, s.inode = f[3], f[7], f[9]
	return s, okLocal && okRemote
}

// parseAddr reads an address as the kernel writes it: words of four octets, each as a number of this machine.
func parseAddr(text string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(text, ":")
	octets, err := hex.DecodeString(host)
	n, errPort := strconv.ParseUint(port, 16, 16)
	if err != nil || errPort != nil || len(octets)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for word := range slices.Chunk(octets, 4) {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	ip, ok := netip.AddrFromSlice(octets)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), ok
}

// What is said of a stranger.
const (
	listens  = "it is listened on by"
	accepted = "a connection was accepted by"
	dialled  = "it was connected to by"
)

// A claim is a socket that has to be the instance's own.
type claim struct {
	socket
	at   ownAddr
	says string
}

// claims picks the sockets that have to be the instance's own. Of those that
// listen these are the ones that the kernel chooses from.
func claims(sockets []socket, own, dials []where) (out []claim) {
	for _, w := range own {
		best := 0
		for _, s := range sockets {
			if s.state == listening {
				best = max(best, w.rank(s.local))
			}
		}
		for _, s := range sockets {
			switch {
			case s.state == listening && best > 0 && w.rank(s.local) == best:
				out = append(out, claim{s, w.ownAddr, listens})
			case s.open() && s.inode != "0" && w.is(s.local):
				out = append(out, claim{s, w.ownAddr, accepted})
			}
		}
	}
	for _, w := range dials {
		for _, s := range sockets {
			if s.open() && s.inode != "0" && w.is(s.remote) {
				out = append(out, claim{s, w.ownAddr, dialled})
			}
		}
	}
	return out
}

// A where is an address with the IPs that its host has; none: any.
type where struct {
	ownAddr
	ips  []netip.Addr
	port uint16
}

func (w where) is(a netip.AddrPort) bool {
	return a.Port() == w.port && (len(w.ips) == 0 || slices.Contains(w.ips, a.Addr()))
}

// rank is how well a listener at an address fits, for the kernel, a connection to w; 0: not at all.
func (w where) rank(a netip.AddrPort) int {
	switch {
	case w.is(a):
		return 3
	case a.Port() != w.port || !a.Addr().IsUnspecified():
		return 0
	case slices.ContainsFunc(w.ips, func(ip netip.Addr) bool { return ip.Is4() == a.Addr().Is4() }):
		return 2
	case a.Addr().Is6(): // it takes IPv4, too
		return 1
	}
	return 0
}

// locate looks up the IPs of addresses.
func locate(ctx context.Context, addrs []ownAddr) (out []where) {
	for _, a := range addrs {
		host, port, err := net.SplitHostPort(a.addr)
		n, errPort := strconv.ParseUint(port, 10, 16)
		if err != nil || errPort != nil {
			continue
		}
		w := where{a, nil, uint16(n)}
		if ip, err := netip.ParseAddr(host); err == nil && !ip.IsUnspecified() {
			w.ips = []netip.Addr{ip.Unmap()}
		} else if err != nil && host != "" {
			ips, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", host) // unknown: any
			for _, ip := range ips {
				w.ips = append(w.ips, ip.Unmap())
			}
		}
		out = append(out, w)
	}
	return out
}

// A process is what /proc says of one.
type process struct {
	birth
	parent, group, session int
}

// processes are all that this one sees.
func processes() (out []process) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		if p, ok := parseProcess(pid, string(stat)); ok {
			out = append(out, p)
		}
	}
	return out
}

// parseProcess reads /proc/PID/stat: number, name in brackets, state, parent, group, session, and the start as the 22nd.
func parseProcess(pid int, stat string) (process, bool) {
	f := strings.SplitN(stat[strings.LastIndexByte(stat, ')')+1:], " ", 22) // a name may have brackets and blanks
	if len(f) < 22 {
		return process{}, false
	}
	parent, err := strconv.Atoi(f[2])
	group, errGroup := strconv.Atoi(f[3])
	session, errSession := strconv.Atoi(f[4])
	return process{birth{pid, f[20]}, parent, group, session}, errors.Join(err, errGroup, errSession) == nil
}

// reapers are the processes that get the children of one of ours that ends: this one, and those above it.
func reapers(all []process) map[int]bool {
	parents := map[int]int{}
	for _, p := range all {
		parents[p.pid] = p.parent
	}
	out := map[int]bool{0: true, 1: true}
	for pid := os.Getpid(); !out[pid]; pid = parents[pid] {
		out[pid] = true
	}
	return out
}

// carries reports whether a process was started with a variable in its environment.
func carries(pid int, variable string) bool {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err == nil && slices.Contains(strings.Split(string(env), "\x00"), variable)
}

// leaders are the processes that the instance itself started, as far as they are in sight.
func (in *Instance) leaders() (pids []int) {
	for _, p := range in.Processes() {
		if r, _ := p.current(); r == nil { // not started yet
			continue
		}
		if pid := p.PID(); p.Image() == "" || carries(pid, mark(in.Dir)) { // the engine may count its processes elsewhere
			pids = append(pids, pid)
		}
	}
	return pids
}

// members are all processes of the instance: the leaders, and what belongs to them.
func (in *Instance) members() []int {
	pids := in.leaders()
	return append(pids, in.others(pids)...)
}

// sweep ends what the instance started and left behind: out of a command's group, or its session.
func (in *Instance) sweep() {
	for _, pid := range in.others(in.leaders()) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// others are the processes in the sessions and groups of the leaders, what carries the mark, what was one of them the last
// time, and the children of all these. The environment is looked at where a parent may have ended: there are many processes
// beside a run.
func (in *Instance) others(leaders []int) (pids []int) {
	all, own := processes(), mark(in.Dir)
	orphanOf := reapers(all)
	in.looking.Lock()
	defer in.looking.Unlock()
	for _, p := range all {
		if !slices.Contains(leaders, p.pid) && (slices.Contains(leaders, p.session) || slices.Contains(leaders, p.group) || in.known[p.birth] || orphanOf[p.parent] && carries(p.pid, own)) {
			pids = append(pids, p.pid)
		}
	}
	for n := -1; n < len(pids); {
		n = len(pids)
		for _, p := range all {
			if (slices.Contains(pids, p.parent) || slices.Contains(leaders, p.parent)) && !slices.Contains(pids, p.pid) && !slices.Contains(leaders, p.pid) {
				pids = append(pids, p.pid)
			}
		}
	}
	in.known = map[birth]bool{}
	for _, p := range all {
		if slices.Contains(pids, p.pid) {
			in.known[p.birth] = true
		}
	}
	return pids
}

// held are the inodes of the sockets that processes hold.
func held(pids ...int) map[string]bool {
	out := map[string]bool{}
	for _, pid := range pids {
		folder := fmt.Sprintf("/proc/%d/fd", pid)
		entries, _ := os.ReadDir(folder) // one that has ended, or may not be looked into, holds nothing
		for _, e := range entries {
			link, _ := os.Readlink(filepath.Join(folder, e.Name()))
			if inode, ok := strings.CutPrefix(link, "socket:["); ok {
				out[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	return out
}

// A survey is one look at the sockets at an instance's addresses.
type survey struct {
	own     int     // how many are held by its processes
	strange []claim // that are not
	waiting bool    // a connection that was asked for is accepted by nobody yet
}

// look surveys the sockets, pids being the instance's processes.
func (in *Instance) look(pids []int, own, dials []where, conns []net.Conn) (s survey, err error) {
	var ports []uint16
	for _, w := range slices.Concat(own, dials) {
		ports = append(ports, w.port)
	}
	here, err := socketsOf("self", ports)
	if err != nil {
		return s, err
	}
	for _, c := range conns {
		s.waiting = s.waiting || slices.ContainsFunc(here, func(k socket) bool {
			return k.state == established && k.inode == "0" && k.local.String() == c.RemoteAddr().String() && k.remote.String() == c.LocalAddr().String()
		})
	}
	found := claims(here, own, dials)
	ns, _ := os.Readlink("/proc/self/ns/net")
	seen := map[string]bool{"": true, ns: true}
	for _, pid := range pids {
		id := strconv.Itoa(pid)
		ns, _ := os.Readlink("/proc/" + id + "/ns/net")
		if seen[ns] {
			continue
		}
		seen[ns] = true
		there, err := socketsOf(id, ports)
		if err != nil {
			return s, err
		}
		found = append(found, claims(there, own, dials)...)
	}
	ours := held(pids...) // read after the sockets: what was accepted since is not among them
	for _, c := range found {
		if ours[c.inode] {
			s.own++
		} else {
			s.strange = append(s.strange, c)
		}
	}
	return s, nil
}

const (
	looks     = 4                     // a socket that is strange in the last of so many, and in the one before, is a stranger's
	lookAgain = 10 * time.Millisecond // between two: a connection may end while it is looked for
)

// sockets is Owner for processes that run.
func (in *Instance) sockets(ctx context.Context, conns []net.Conn) error {
	own, dials := locate(ctx, in.listens), locate(ctx, in.dials)
	pids, before, patience := in.leaders(), map[string]bool{}, time.Now().Add(acceptTime)
	if len(pids) < len(in.Processes()) {
		return &UncheckedError{"the processes of the containers are out of sight"}
	}
	for n := 1; ; n++ {
		s, err := in.look(pids, own, dials, conns)
		if err != nil {
			return &UncheckedError{err.Error()}
		}
		lasting := slices.DeleteFunc(slices.Clone(s.strange), func(c claim) bool { return !before[c.inode] })
		waiting := s.waiting && time.Now().Before(patience)
		switch {
		case waiting:
		case len(s.strange) == 0, n >= looks && len(lasting) == 0:
			if s.own == 0 {
				return &UncheckedError{"no socket of the subject is in sight"}
			}
			return nil
		case n >= looks:
			return judge(lasting, pids)
		}
		before = map[string]bool{}
		for _, c := range s.strange {
			before[c.inode] = true
		}
		pids = in.members()
		pause := time.NewTimer(lookAgain)
		select {
		case <-ctx.Done():
			pause.Stop()
			return context.Cause(ctx)
		case <-pause.C:
		}
	}
}

// proxies hold a published port for somebody else: for a container, or a network of a user.
var proxies = []string{"docker-proxy", "rootlessport", "slirp4netns", "pasta", "passt", "conmon"}

// judge says who holds sockets that none of the instance's processes holds.
func judge(strange []claim, pids []int) (err error) {
	self := held(os.Getpid())
	for _, c := range strange {
		pid, name := holder(c.inode)
		switch {
		case c.says == dialled && (self[c.inode] || slices.Contains(proxies, name)): // this run, maybe through a published port
		case slices.Contains(proxies, name):
			err = &UncheckedError{fmt.Sprintf("%s is held by %s (process %d) for somebody else", c.at, name, pid)}
		case pid != 0:
			return &StrangerError{At: c.at.String(), Says: c.says, Holder: fmt.Sprintf("%s (process %d)", name, pid)}
		case !slices.ContainsFunc(pids, func(pid int) bool { return userOf(pid) == c.uid }):
			return &StrangerError{At: c.at.String(), Says: c.says, Holder: "a program of user " + c.uid}
		default:
			err = &UncheckedError{"this system does not show who holds " + c.at.String()}
		}
	}
	return err
}

// holder is a process that holds a socket; 0 when there is none in sight.
func holder(inode string) (pid int, name string) {
	for _, p := range processes() {
		if held(p.pid)[inode] {
			comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.pid))
			return p.pid, strings.TrimSpace(string(comm))
		}
	}
	return 0, ""
}

// userOf is the number of the user whom a process belongs to; empty when it has ended.
func userOf(pid int) string {
	info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	if err != nil {
		return ""
	}
	return strconv.FormatUint(uint64(info.Sys().(*syscall.Stat_t).Uid), 10)
}

// holderOf says who listens at an address.
func holderOf(addr string) string {
	at := locate(context.Background(), []ownAddr{{"", addr}})
	for _, w := range at {
		here, _ := socketsOf("self", []uint16{w.port})
		for _, c := range claims(here, at, nil) {
			if pid, name := holder(c.inode); pid != 0 {
				return fmt.Sprintf("%s (process %d)", name, pid)
			}
		}
	}
	return "another program"
}
