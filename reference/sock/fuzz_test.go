package sock

import (
	"context"
	"crypto/tls"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/certtest"
)

// FuzzTLSStranger: whatever a stranger says who makes no handshake, the server's ends, within its time, with an error, and the
// socket is gone.
func FuzzTLSStranger(f *testing.F) {
	cfg := &tls.Config{Certificates: []tls.Certificate{certtest.NewCA().Issue(time.Hour, "server.example").TLS()}, NextProtos: []string{"adit/1"}, MinVersion: tls.VersionTLS13}
	f.Add([]byte(nil), uint8(1))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint8(1))
	f.Add([]byte("SSH-2.0-OpenSSH_9.2\r\n"), uint8(3))
	f.Add([]byte{22, 3, 1, 0xFF, 0xFF, 1, 0, 0}, uint8(1)) // the longest record
	f.Add([]byte{21, 3, 3, 0, 2, 2, 40}, uint8(1))         // an alert
	f.Add([]byte{1, 5, 0, 0, 0, 0}, uint8(1))              // a frame of a plain client
	f.Add(clientHello(), uint8(1))
	f.Add(append(clientHello(), 20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 3, 1, 2, 3), uint8(9))
	f.Fuzz(func(t *testing.T, says []byte, step uint8) {
		synctest.Test(t, func(t *testing.T) {
			near, far := Pipe(1 << 16)
			server := ServerTLS(near, cfg)
			go func() {
				stream := far.Stream()
				for n := int(step) + 1; len(says) > 0; says = says[min(n, len(says)):] {
					if _, err := stream.Write(says[:min(n, len(says))]); err != nil {
						break
					}
				}
				stream.CloseWrite()
			}()
			if err := server.Handshake(t.Context()); err == nil {
				t.Fatalf("a stranger who says %x has made a handshake", says)
			}
			if _, err := near.TryWrite([]byte{1}); err == nil {
				t.Error("the socket is still open")
			}
		})
	})
}

// clientHello is what a client of the library begins with.
func clientHello() []byte {
	near, far := Pipe(1 << 16)
	client := ClientTLS(near, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"adit/1"}, MinVersion: tls.VersionTLS13})
	go client.Handshake(context.Background()) // ends with the pipe
	b, err := far.Read(NewPool(0, 4<<10), 4<<10)
	if err != nil {
		panic(err)
	}
	defer b.Release()
	defer far.Reset()
	return append([]byte(nil), b.Bytes()...)
}
