// Command faulty is a server that knows KeepAlive, and at a private type or Data
// with a large ID does what its first argument says: panic, hang or leak. It
// listens for tunnels at the second argument, and for visitors at the third.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
)

var (
	mu   sync.Mutex // held by whoever answers; a hang keeps it
	kept [][]byte
)

func main() {
	what, tunnels, visitors := os.Args[1], listen(os.Args[2]), listen(os.Args[3])
	go func() {
		for {
			if c, err := visitors.Accept(); err == nil {
				_ = c.Close()
			}
		}
	}()
	for {
		c, err := tunnels.Accept()
		if err != nil {
			panic(err)
		}
		go serve(c, what)
	}
}

func listen(addr string) net.Listener {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return l
}

func serve(c net.Conn, what string) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		var head [6]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		n := binary.BigEndian.Uint32(head[2:])
		if head[0] != 1 || n > 1<<20 {
			return
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(r, payload); err != nil {
			return
		}
		mu.Lock()
		if head[1] >= 0x80 || head[1] == 3 && n >= 4 && payload[0] >= 0x80 {
			switch what {
			case "panic":
				panic("an ID that I did not expect")
			case "hang":
				select {}
			case "leak":
				b := make([]byte, 96<<20)
				for i := range b {
					b[i] = 1
				}
				kept = append(kept, b)
			}
		}
		if head[1] == 5 {
			_, _ = c.Write(head[:])
		}
		mu.Unlock()
	}
}
