package session

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// CLOSE-013, RESET-004: a connection without an octet in either direction ends after its idle timeout, not earlier, and says
// why; one octet, whoever sends it, begins the time anew.
func TestAConnectionOnWhichNothingMovesEnds(t *testing.T) {
	for _, protocol := range []Protocol{CoreOnly, Auto} {
		t.Run(protocol.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const idle = 400 * time.Second
				a, b := sock.Pipe(1 << 20)
				p := newPair(t, protocol, a, b, func(context.Context, Target) (sock.Socket, error) {
					near, end := sock.Pipe(1 << 20)
					service := end.Stream()
					go io.Copy(service, service)
					return near, nil
				})
				defer p.down()
				open := func(idle time.Duration) (visitor sock.Stream, over chan error) {
					near, end := sock.Pipe(1 << 20)
					over = make(chan error, 1)
					if err := p.server.Open(Visitor{Socket: near, Target: home, Counts: new(sock.Counts), Idle: idle, Over: func(err error) { over <- err }}); err != nil {
						t.Fatal(err)
					}
					return end.Stream(), over
				}
				quiet, quietOver := open(idle)
				busy, busyOver := open(idle)
				_, foreverOver := open(0)
				start := time.Now()
				echo := func(c sock.Stream) error {
					if _, err := c.Write([]byte("x")); err != nil {
						return err
					}
					_, err := io.ReadFull(c, make([]byte, 1))
					return err
				}
				for range 4 {
					if err := echo(busy); err != nil {
						t.Fatalf("after %v: %v", time.Since(start), err)
					}
					time.Sleep(idle - 2*time.Second)
					synctest.Wait()
				}
				if err := echo(busy); err != nil {
					t.Errorf("a connection with an octet now and then ended: %v", err)
				}
				select {
				case err := <-quietOver:
					if e, ok := errors.AsType[*ResetError](err); !ok || e.Code != wire.CodeIdle {
						t.Errorf("the visitor's end is %v; want a reset with code idle", err)
					}
				default:
					t.Error("a connection on which nothing moved is open still")
				}
				if _, err := quiet.Read(make([]byte, 1)); err == nil || err == io.EOF {
					t.Errorf("its visitor reads %v; want a reset", err)
				}
				last := time.Now()
				if err := <-busyOver; err == nil || time.Since(last) < idle || time.Since(last) > idle*5/4+time.Second {
					t.Errorf("the other ended with %v, %v after its last octet; want %v, or a quarter more", err, time.Since(last), idle)
				}
				select {
				case err := <-foreverOver:
					t.Errorf("a connection without idle timeout ended: %v", err)
				default:
				}
			})
		})
	}
}

// RESET-004: the peer hears why.
func TestThePeerHearsThatNothingMoved(t *testing.T) {
	onExtended(t, extended(Server), func(r *rig) {
		near, _ := sock.Pipe(1 << 20)
		if err := r.s.Open(Visitor{Socket: near, Target: home, Counts: new(sock.Counts), Idle: 300 * time.Second}); err != nil {
			t.Fatal(err)
		}
		r.want("OPEN", openFrame(1))
		r.send(wire.AppendOpened(nil, 1))
		var last []byte
		start := time.Now()
		for last == nil && time.Since(start) < 400*time.Second {
			r.sleep(10 * time.Second)
			for _, f := range r.answer() {
				if wire.Type(f[1]) == wire.TypeReset {
					last = f
				}
			}
		}
		if want := wire.AppendReset(nil, 1, wire.CodeIdle, ""); string(last) != string(want) || time.Since(start) < 300*time.Second {
			t.Errorf("the peer hears % x after %v; want % x after 300 s", last, time.Since(start), want)
		}
	})
}
