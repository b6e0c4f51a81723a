package sock

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrCut is the end of a stream that the peer did not end: it closed the connection without close_notify, or somebody
	// between did (TLS-006).
	ErrCut = errors.New("the connection was cut: it ended without TLS's close_notify")
	// ErrNoProtocol is the failure of a handshake with a peer that speaks TLS for another protocol (TLS-002).
	ErrNoProtocol = errors.New("the other end speaks TLS, but not for this protocol (ALPN)")
)

// NotTLSError is the failure of a handshake with a peer that does not speak TLS.
type NotTLSError struct{ Begin []byte } // its first bytes

func (e *NotTLSError) Error() string {
	return fmt.Sprintf("the other end does not speak TLS: it begins with %q", e.Begin)
}

const (
	// mostSealed is how much of what is written is encrypted at once, unless LimitUnsent says less: what comes later
	// waits for it.
	mostSealed = 64 << 10
	// leastSealed is how much is in any case.
	leastSealed = 4 << 10
	// cipherRead is how much is read from below at once.
	cipherRead = 64 << 10
	// lastAlert is how long a peer may take to read what ends the stream, or the handshake.
	lastAlert = time.Second
	// mostBegin is how much a NotTLSError shows.
	mostBegin = 16
)

// cipherPool lends the buffers of what is encrypted: one for a few frames, and one for mostSealed in four records.
var cipherPool = NewPool(0, 1<<10, mostSealed+1<<10)

// TLS is a Socket whose bytes pass encrypted through another Socket, which it owns. Nothing but Close and Reset may be
// called before Handshake has succeeded. It has no goroutine, and holds a buffer only while there is something in it.
type TLS struct {
	under  Socket
	server bool
	own    []byte    // a server's certificate, in DER
	conn   *tls.Conn // over wire
	wire   wire
	most   atomic.Int64 // bytes that are encrypted at once
	ended  atomic.Bool  // nothing more is written

	more    bool  // owned by the reader, as is readErr: what was decrypted may not all be read
	readErr error // why there is no more to read

	writing sync.Mutex // held by who writes to under
	sealed  bool       // guarded by writing: the first byte of the next write is encrypted already
}

// ClientTLS returns the client's end of TLS over under. Of the protocols in cfg.NextProtos one must be chosen.
func ClientTLS(under Socket, cfg *tls.Config) *TLS {
	t := newTLS(under)
	strict := cfg.Clone()
	strict.VerifyConnection = func(state tls.ConnectionState) error {
		if state.NegotiatedProtocol == "" { // TLS-002
			return ErrNoProtocol
		}
		if cfg.VerifyConnection != nil {
			return cfg.VerifyConnection(state)
		}
		return nil
	}
	t.conn = tls.Client(&t.wire, strict)
	return t
}

// ServerTLS returns the server's end of TLS over under. Of the protocols in NextProtos of the configuration, cfg or what
// its GetConfigForClient returns, one must be offered.
func ServerTLS(under Socket, cfg *tls.Config) *TLS {
	t := newTLS(under)
	t.server = true
	strict := cfg.Clone()
	strict.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if len(hello.SupportedProtos) == 0 { // TLS-002, TLS-008; the library would do without
			t.wire.lastWords(alertNoApplicationProtocol)
			return nil, ErrNoProtocol
		}
		var chosen *tls.Config // nil: cfg
		if cfg.GetConfigForClient != nil {
			var err error
			if chosen, err = cfg.GetConfigForClient(hello); err != nil {
				return nil, err
			}
		}
		if all := cmp.Or(chosen, cfg).Certificates; len(all) == 1 { // of several the library chooses
			t.own = all[0].Certificate[0]
		}
		return chosen, nil
	}
	t.conn = tls.Server(&t.wire, strict)
	return t
}

func newTLS(under Socket) *TLS {
	t := &TLS{under: under, more: true} // with the end of the handshake more may have come
	t.wire.under = under
	t.wire.waits.Store(true)
	t.most.Store(mostSealed)
	return t
}

// Handshake makes the connection ready, or fails: then the peer has been told why, if it can be, and the socket is closed.
// The end of ctx resets it. An alert that the peer sent is a [tls.AlertError].
func (t *TLS) Handshake(ctx context.Context) error {
	err := withAlert(t.conn.HandshakeContext(ctx))
	if err == nil {
		t.wire.waits.Store(false)
		return nil
	}
	t.ended.Store(true)
	if ctx.Err() != nil {
		t.under.Reset()
		return context.Cause(ctx)
	}
	_, foreign := errors.AsType[tls.RecordHeaderError](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case foreign && !t.wire.known:
		err = &NotTLSError{Begin: t.wire.begin}
		if t.server { // some know an alert when they see one
			t.wire.lastWords(alertUnexpectedMessage)
		}
	case untrusted && t.conn.ConnectionState().NegotiatedProtocol == "":
		err = ErrNoProtocol // whatever its certificate is
	}
	t.part()
	return err
}

// part closes the connection when the peer has read why: closing it with bytes unread would destroy that.
func (t *TLS) part() {
	late := time.AfterFunc(lastAlert, t.under.Reset)
	defer late.Stop()
	t.under.CloseWrite()
	for {
		b, err := t.under.Read(cipherPool, cipherRead)
		if err != nil {
			break
		}
		b.Release()
	}
	t.under.Close()
}

// Export returns n bytes that both ends of this connection can make, and nobody between them (RFC 9266).
func (t *TLS) Export(label string, n int) ([]byte, error) {
	state := t.conn.ConnectionState()
	return state.ExportKeyingMaterial(label, nil, n)
}

// ServerCertificate is the server's end-entity certificate, in DER, at either end; nil: it has none, or several.
func (t *TLS) ServerCertificate() []byte {
	if t.server {
		return t.own
	}
	if shown := t.conn.ConnectionState().PeerCertificates; len(shown) > 0 {
		return shown[0].Raw
	}
	return nil
}

// State is what the handshake has agreed on, and the certificates that the peer has shown.
func (t *TLS) State() tls.ConnectionState { return t.conn.ConnectionState() }

// Read waits for something to read, decrypts what has come, and borrows a buffer for it.
func (t *TLS) Read(pool *Pool, size int) (*Buf, error) {
	for t.readErr == nil {
		if !t.more && t.wire.in == nil {
			if err := t.wire.fill(); err != nil {
				return nil, err
			}
		}
		b := pool.Get(size)
		t.decrypt(b, size)
		if b.Len() > 0 {
			return b, nil
		}
		b.Release()
	}
	return nil, t.readErr
}

// decrypt puts what is here into b, up to size bytes.
func (t *TLS) decrypt(b *Buf, size int) {
	t.more = false
	for {
		space := b.space(size - b.Len())
		if len(space) == 0 {
			t.more = true
			return
		}
		n, err := t.conn.Read(space)
		b.w += n
		if errors.Is(err, errNothingYet) {
			return
		}
		if err != nil {
			t.readErr = withAlert(err)
			return
		}
	}
}

// TryWrite writes what can be written without waiting. A record that the socket below takes in part is whole for the peer
// when the rest has followed: until then its last byte counts as not written, and has to be the first of the next call.
func (t *TLS) TryWrite(b []byte) (total int, err error) {
	t.writing.Lock()
	defer t.writing.Unlock()
	for total < len(b) {
		n, err := t.seal(b[total:min(len(b), total+int(t.most.Load()))], false)
		total += n
		if err != nil || n == 0 || t.sealed {
			return total, err
		}
	}
	return total, nil
}

// WriteSome writes v, or the beginning of it, with what is small put together: a record and a call for each frame would
// cost more than their bytes.
func (t *TLS) WriteSome(v [][]byte) (int, error) {
	t.writing.Lock()
	defer t.writing.Unlock()
	most := int(t.most.Load())
	for len(v) > 0 && len(v[0]) == 0 {
		v = v[1:]
	}
	switch {
	case len(v) == 0:
		return 0, nil
	case t.sealed:
		return t.seal(v[0][:1], true)
	case len(v) == 1 || len(v[0]) >= most:
		return t.seal(v[0][:min(len(v[0]), most)], true)
	}
	joined := cipherPool.Get(most)
	defer joined.Release()
	for _, b := range v {
		if joined.Add(b[:min(len(b), most-joined.Len())]) < len(b) {
			break
		}
	}
	return t.seal(joined.Bytes(), true)
}

// seal encrypts b, which is not empty, and writes it below, waiting for that if it is told to. It returns how many bytes
// of b count as written.
func (t *TLS) seal(b []byte, wait bool) (int, error) {
	if t.ended.Load() {
		return 0, net.ErrClosed
	}
	if done, err := t.wire.flush(wait); !done {
		return 0, err
	}
	if t.sealed {
		t.sealed = false
		return 1, nil
	}
	if _, err := t.conn.Write(b); err != nil {
		return 0, err
	}
	done, err := t.wire.flush(wait)
	switch {
	case err != nil:
		return 0, err
	case !done:
		t.sealed = true
		return len(b) - 1, nil
	}
	return len(b), nil
}

// LimitUnsent has less encrypted at once, and passes the bound on.
func (t *TLS) LimitUnsent(n int) {
	t.most.Store(int64(max(leastSealed, min(n, mostSealed))))
	if below, ok := t.under.(interface{ LimitUnsent(int) }); ok {
		below.LimitUnsent(n)
	}
}

// Err is why the connection below has failed.
func (t *TLS) Err() error { return t.under.Err() }

// CloseWrite ends the stream towards the peer, and says so.
func (t *TLS) CloseWrite() error {
	t.notify()
	return t.under.CloseWrite()
}

// Close says that the stream ends and closes the socket.
func (t *TLS) Close() error {
	t.notify()
	return t.under.Close()
}

// Reset closes the socket so that the peer sees a reset.
func (t *TLS) Reset() {
	t.ended.Store(true)
	t.under.Reset()
}

// notify sends close_notify, for which a peer that does not read has lastAlert. While somebody writes there is none: the
// stream ends in the middle, as that of a peer that was cut.
func (t *TLS) notify() {
	t.ended.Store(true)
	if t.wire.waits.Load() || !t.writing.TryLock() {
		return
	}
	defer t.writing.Unlock()
	t.conn.CloseWrite() // which fails behind an alert; that goes out instead
	if done, err := t.wire.flush(false); done || err != nil {
		return
	}
	late := time.AfterFunc(lastAlert, t.under.Reset)
	defer late.Stop()
	t.wire.flush(true)
}

// wire is the net.Conn of a tls.Conn. Once the handshake is over it never waits: what is read has come before, and what is
// written stays here until somebody flushes it. So neither direction, nor the end of the stream, waits for the other.
type wire struct {
	under Socket
	waits atomic.Bool // until the handshake has succeeded

	in    *Buf   // what has come and is not decrypted; owned by who reads, as are begin and known
	begin []byte // what came first
	known bool   // the first record was one of TLS

	one [1][]byte // owned by who flushes

	mu   sync.Mutex // guards the following fields
	out  Queue      // what is encrypted
	head *Buf       // the first of it, taken from out
	shut bool       // what the library has to say besides is dropped
}

// Read takes what has come.
func (w *wire) Read(b []byte) (int, error) {
	if w.in == nil {
		if !w.waits.Load() {
			return 0, errNothingYet
		}
		if err := w.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(b, w.in.Bytes())
	if w.in.Consume(n); w.in.Len() == 0 {
		w.in.Release()
		w.in = nil
	}
	return n, nil
}

// fill waits until something comes.
func (w *wire) fill() (err error) {
	w.in, err = w.under.Read(cipherPool, cipherRead)
	if errors.Is(err, io.EOF) {
		return ErrCut
	}
	if err == nil && w.begin == nil {
		b := w.in.Bytes()
		w.begin = slices.Clone(b[:min(len(b), mostBegin)])
		w.known = b[0] == recordAlert || b[0] == recordHandshake
	}
	return err
}

// Write keeps what is encrypted. In a handshake it writes it.
func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	if !w.shut {
		w.out.Add(cipherPool, b)
	}
	w.mu.Unlock()
	if w.waits.Load() {
		if _, err := w.flush(true); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// flush writes what is encrypted, or with wait unset as much as can be written at once, and reports whether that is all.
// One goroutine at a time calls it.
func (w *wire) flush(wait bool) (done bool, err error) {
	for b := w.next(0); b != nil; {
		var n int
		if wait {
			w.one[0] = b.Bytes()
			n, err = w.under.WriteSome(w.one[:])
			w.one[0] = nil
		} else {
			n, err = w.under.TryWrite(b.Bytes())
		}
		if b = w.next(n); err != nil || n == 0 {
			return false, err
		}
	}
	return true, nil
}

// next forgets n bytes that were written, and returns what is to be written next; nil: nothing.
func (w *wire) next(n int) *Buf {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.head != nil {
		w.head.Consume(n)
		w.out.Done(n)
		if w.head.Len() == 0 {
			w.out.Release(w.head)
			w.head = nil
		}
	}
	if w.head == nil {
		w.head = w.out.Take()
	}
	return w.head
}

// lastWords writes an alert that nothing follows, in plain: no keys are there yet.
func (w *wire) lastWords(alert byte) {
	w.Write([]byte{recordAlert, 3, 3, 0, 2, alertFatal, alert})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shut = true
}

// Close resets the connection: the library closes it when the time for the handshake is over.
func (w *wire) Close() error {
	w.under.Reset()
	return nil
}

// The library asks for the rest of net.Conn, and needs none of it.

func (w *wire) LocalAddr() net.Addr              { return nil }
func (w *wire) RemoteAddr() net.Addr             { return nil }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// Of RFC 8446, what is written here without the library.
const (
	recordAlert                = 21
	recordHandshake            = 22
	alertFatal                 = 2
	alertUnexpectedMessage     = 10
	alertNoApplicationProtocol = 120
)

// errNothingYet is what a wire reads when nothing has come: an error that the library takes for one that passes.
var errNothingYet net.Error = nothingYet{}

type nothingYet struct{}

func (nothingYet) Error() string   { return "nothing has come yet" }
func (nothingYet) Timeout() bool   { return true }
func (nothingYet) Temporary() bool { return true }

// withAlert makes err one that wraps a tls.AlertError too, when it is an alert of the peer: the library's own type for
// them is not exported.
func withAlert(err error) error {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" {
		return err
	}
	if code := reflect.ValueOf(op.Err); code.Kind() == reflect.Uint8 {
		return fmt.Errorf("%w%.0w", err, tls.AlertError(code.Uint()))
	}
	return err
}
