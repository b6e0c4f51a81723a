package subject

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Addrs says where things are, each as host:port; empty: unknown or absent.
type Addrs struct {
	Tunnel  string // the server accepts clients there
	Visitor string // a mapped port
	Target  string // the service behind the tunnel
	API     string // the control API
}

// Free ports are taken from below the range that systems use for outgoing
// connections, so that none of those takes one before it is listened on. They
// come in blocks: whoever listens on the first port of a block has the others,
// so that several runs on one machine never give the same one.
const firstPort, blocks, blockSize, mostBlocks = 20000, 120, 100, 7

// An allotment is the ports that a process gives to instances: those of its
// blocks in turn, each again only after all others and when its instance is closed: one that
// does not listen yet would find another program at its address.
type allotment struct {
	mu     sync.Mutex     // guards the following
	given  map[int]bool   // to instances that are not closed
	blocks []int          // first ports
	held   []net.Listener // on them, until the process ends
	next   int            // which port of all those in blocks
}

var ours = allotment{given: map[int]bool{}}

// port is one that was not given lately, here or to another process.
func (a *allotment) port() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next == len(a.blocks)*(blockSize-1) && !a.claim() {
		a.next = 0
	}
	first := a.blocks[a.next/(blockSize-1)]
	port := first + 1 + a.next%(blockSize-1)
	a.next++
	return port
}

// give notes that an instance has the port; false: another has it.
func (a *allotment) give(port int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.given[port] {
		return false
	}
	a.given[port] = true
	return true
}

// release takes back the ports that an instance was given.
func (a *allotment) release(at Addrs) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, addr := range []string{at.Tunnel, at.Visitor, at.Target, at.API} {
		if _, port, err := net.SplitHostPort(addr); err == nil {
			n, _ := strconv.Atoi(port)
			delete(a.given, n)
		}
	}
}

// claim takes one more block; false when there are enough, or no more. The caller holds mu.
func (a *allotment) claim() bool {
	if len(a.blocks) == mostBlocks {
		return false
	}
	order := rand.Perm(blocks)
	for _, b := range order {
		first := firstPort + b*blockSize
		if l, err := net.Listen("tcp", local(first)); err == nil {
			a.blocks, a.held = append(a.blocks, first), append(a.held, l)
			return true
		}
	}
	if len(a.blocks) == 0 { // all are held: share one
		a.blocks = append(a.blocks, firstPort+order[0]*blockSize)
		return true
	}
	return false
}

// block is the ports of a block that nobody else has until the listener is closed: all but the first, which that has.
func block() (ports [2]int, held net.Listener, err error) {
	for _, b := range rand.Perm(blocks) {
		first := firstPort + b*blockSize
		if held, err = net.Listen("tcp", local(first)); err == nil {
			return [2]int{first + 1, first + blockSize - 1}, held, nil
		}
	}
	return ports, nil, fmt.Errorf("no ports to be asked for are free between %d and %d on 127.0.0.1: end programs that listen there", firstPort, firstPort+blocks*blockSize-1)
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freeAddr is a loopback address on which nothing listens now.
func freeAddr(taken map[string]bool) (string, error) {
	for range mostBlocks * blockSize {
		port := ours.port()
		addr := local(port)
		l, err := net.Listen("tcp", addr)
		if err != nil || taken[addr] || !ours.give(port) {
			if l != nil {
				_ = l.Close()
			}
			continue
		}
		taken[addr] = true
		return addr, l.Close()
	}
	return "", fmt.Errorf("no free port found between %d and %d on 127.0.0.1: end programs that listen there", firstPort, firstPort+blocks*blockSize-1)
}

// resolve decides the addresses of one instance: those of o, then those of the file, then free ones.
func (f *File) resolve(o Addrs, free func(taken map[string]bool) (string, error)) (Addrs, error) {
	tunnel := f.Tunnel
	if f.Server != nil && f.Server.Address != "" {
		tunnel = f.Server.Address
	}
	at, taken := Addrs{}, map[string]bool{o.Tunnel: true, o.Visitor: true, o.Target: true, o.API: true}
	for _, a := range []struct {
		out         *string
		given, file string
	}{
		{&at.Tunnel, o.Tunnel, tunnel},
		{&at.Visitor, o.Visitor, f.Visitor},
		{&at.Target, o.Target, f.Target},
		{&at.API, o.API, f.API},
	} {
		switch {
		case a.given != "":
			*a.out = a.given
		case a.file == auto:
			var err error
			if *a.out, err = free(taken); err != nil {
				return at, err
			}
		default:
			*a.out = a.file
		}
	}
	return at, nil
}
