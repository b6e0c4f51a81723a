package peer

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// This file is the option auth (section 30): the server proves itself first.

const handshakeTime = 10 * time.Second // AUTH-009

// auth is what a handshake with auth goes by.
type auth struct {
	asks    bool
	keys    *ring // a server's
	binding byte  // what ties the proofs to the transport
	prefers byte  // the binding that a client states under TLS
	id      string
	secret  []byte
	known   bool      // the key is one of the server's, and the binding this tunnel's
	mine    []byte    // HELLO of this side, and of the other, as they passed
	theirs  []byte    //
	late    time.Time // when the handshake is over
	since   time.Time // when the tunnel was accepted
	hoard   []byte
}

// A ring is the keys of a server, by ID.
type ring struct {
	path string
	mu   sync.Mutex
	all  map[string][]byte
}

// load reads the file of keys again; gone are the IDs of those that are no more.
func (r *ring) load() (gone []string, err error) {
	text, err := os.ReadFile(r.path)
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		id, secret, err := parseKey(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, err
		}
		all[id] = secret
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, secret := range r.all {
		if !bytes.Equal(all[id], secret) {
			gone = append(gone, id)
		}
	}
	r.all = all
	return gone, nil
}

func (r *ring) find(id string) ([]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	secret, ok := r.all[id]
	return secret, ok
}

// parseKey reads a key as text (AUTH-023).
func parseKey(line string) (id string, secret []byte, err error) {
	part := strings.Split(line, ":")
	if len(part) != 3 || part[0] != "adit1" || part[1] == "" || len(part[1]) > 64 {
		return "", nil, errors.New("a key is adit1:ID:SECRET")
	}
	secret, err = base64.RawURLEncoding.Strict().DecodeString(part[2])
	if err != nil || len(secret) != 32 {
		return "", nil, errors.New("the secret of a key is 43 characters of base64url")
	}
	return part[1], secret, nil
}

// ask makes the tunnel one on which this side asks for auth.
func (t *tunnel) ask(keys *ring) {
	t.asks, t.keys = true, keys
	if t.bug("AUTH-017") {
		t.hoard = bytes.Repeat([]byte{1}, 256<<10)
	}
	wait := handshakeTime
	if t.bug("AUTH-009-early") {
		wait = 2 * time.Second
	}
	t.since, t.late = time.Now(), time.Now().Add(wait)
}

// watchHandshake ends the tunnel when the handshake takes too long. run starts it.
func (t *tunnel) watchHandshake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for !t.lost && (t.phase != up || t.bug("AUTH-009-always")) && time.Now().Before(t.late) {
		t.waitUntil(t.late)
	}
	switch {
	case t.lost || t.phase == up && !t.bug("AUTH-009-always") || t.bug("AUTH-009"):
	case t.role == Server && t.phase == greeted:
		t.part(codeTimedOut, "")
	default:
		t.lose(false)
	}
}

// guarded reports whether nothing counts but a handshake with auth. mu is held.
func (t *tunnel) guarded() bool {
	return t.asks && t.phase != up && !(t.bug("AUTH-001-core") && t.phase <= core)
}

// processSecret makes the secrets of keys that there are not; nonce0 is the nonce of a mutant.
var processSecret, nonce0 = random32(), random32()

func random32() []byte {
	b := make([]byte, 32)
	_, _ = crand.Read(b)
	return b
}

func mac(secret []byte, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, secret)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}

// authTag is what this side's HELLO says. mu is held.
func (t *tunnel) authTag() []byte {
	nonce := random32()
	if t.bug("AUTH-014") {
		nonce = nonce0
	}
	if t.role == Client && t.encrypted() {
		t.binding = t.prefers
	}
	stated := t.binding
	switch {
	case t.bug("AUTH-010") && !t.encrypted():
		stated = 1
	case t.bug("AUTH-010-tls") && t.encrypted():
		stated, t.binding = 0, 0
	}
	value := append([]byte{1, stated}, nonce...)
	if t.role == Client {
		value = append(value, t.id...)
	}
	return value
}

// proofOf is the proof of a role. mu is held.
func (t *tunnel) proofOf(role Role) []byte {
	client, server := t.theirs, t.mine
	if t.role == Client {
		client, server = t.mine, t.theirs
	}
	switch {
	case t.bug("AUTH-002"):
		server = nil
	case t.bug("AUTH-002-tags") && t.role == Client:
		server = tidy(server)
	case t.bug("AUTH-002-tags"):
		client = tidy(client)
	}
	label := "adit/1 " + string(role) + " proof"
	if t.bug("AUTH-002-label") {
		label = "adit/1 " + string(map[Role]Role{Server: Client, Client: Server}[role]) + " proof"
	}
	sum := sha256.Sum256(slices.Concat(client, server))
	return mac(t.secret, []byte(label), []byte{0}, t.cb(), sum[:])
}

// tidy is AUTH-002-tags' mutant: a HELLO without the tags that nobody knows.
func tidy(hello []byte) []byte {
	var l list
	for b := hello[headerSize:]; len(b) >= 4; {
		tag, n := uint16(b[0])<<8|uint16(b[1]), int(b[2])<<8|int(b[3])
		if tag < 0x100 {
			l.add(tag, b[4:4+n]...)
		}
		b = b[4+n:]
	}
	return frame{typeHello, l.bytes()}.bytes()
}

// stranger is a frame that comes before the proofs. mu is held.
func (t *tunnel) stranger(f frame) error {
	switch {
	case f.typ != typeHello && f.typ != typeAuth && f.typ != typeGoAway:
		if t.bug("AUTH-007") {
			return nil
		}
		return broken("AUTH-007", "type 0x%02x before the proofs", f.typ)
	case f.typ == typeGoAway && t.role == Server && t.phase == fresh:
		return broken("AUTH-007", "GOAWAY in the place of HELLO")
	case f.typ == typeGoAway:
		return t.turnedAway(f)
	case !f.sized():
		return broken("FRAME-008", "type 0x%02x with %d octets", f.typ, len(f.payload))
	case f.typ == typeAuth:
		return t.proven(f.payload)
	}
	return t.introduced(f)
}

// introduced is the peer's HELLO. mu is held.
func (t *tunnel) introduced(f frame) error {
	t.agreed = true
	where, least, most := inClientHello, 35, 98
	switch {
	case t.phase != fresh && (t.bug("HELLO-003") || t.bug("HELLO-004")):
		return nil
	case t.phase != fresh && t.role == Server:
		return broken("HELLO-003", "a HELLO that is not the first frame")
	case t.phase != fresh:
		return broken("HELLO-004", "a HELLO that answers none")
	case t.role == Client:
		where, least, most = inServerHello, 34, 34
	}
	k, refused, err := t.readTLVs(f.payload, where.with(t.optionBind()))
	if err != nil {
		return err
	}
	value, has := k[tagAuth]
	fits := !has || len(value) > 0 && (value[0] != 1 || len(value) >= least && len(value) <= most)
	switch {
	case !fits && t.bug("AUTH-013"):
		value = append([]byte{1, 0}, make([]byte, 33)...)
	case !fits:
		return broken("AUTH-013", "a tag auth of %d octets", len(value))
	}
	switch {
	case refused != 0:
		return &tunnelError{"TLV-003", fmt.Sprintf("critical tag 0x%04x", refused), codeUnsupported}
	case has && value[0] == 1:
	case t.bug("AUTH-019"):
		return t.hello(f)
	case t.role == Server:
		return t.deny("no key")
	default:
		return broken("AUTH-019", "a HELLO without auth")
	}
	t.heed(k)
	t.theirs = f.bytes()
	if t.role == Client {
		if value[1] != t.binding && !t.bug("AUTH-022") {
			if t.encrypted() && (t.binds(value[1]) || t.bug("AUTH-010-led")) && !t.bug("AUTH-027") {
				t.prefers = value[1]
			}
			return broken("AUTH-022", "binding %d", value[1])
		}
		t.phase = greeted
		if t.bug("AWAY-013-greeted") {
			t.followed()
		}
		return nil
	}
	return t.greetClient(value)
}

// greetClient answers a client's HELLO, whoever it is (AUTH-003). mu is held.
func (t *tunnel) greetClient(value []byte) error {
	t.id = string(value[34:])
	t.secret, t.known = t.keys.find(t.id)
	switch { // AUTH-021
	case t.binds(value[1]):
		t.binding = value[1]
	case t.encrypted() && t.bug("AUTH-021-second"):
		t.binding = 2
	case t.encrypted():
		t.binding = 1
	}
	if t.binding != value[1] && !t.bug("AUTH-021-takes") {
		t.known = false
	}
	if !t.known { // AUTH-006
		t.secret = mac(processSecret, []byte(t.id))
		switch {
		case t.bug("AUTH-006"):
			return t.deny("unknown key")
		case t.bug("AUTH-006-secret"):
			t.secret, t.known = make([]byte, 32), true
		case t.bug("AUTH-006-slow"):
			t.idle(60 * time.Millisecond)
		}
	}
	h := t.helloFrame()
	if t.bug("AUTH-021") { // the binding is that of the client's, behind the tag and its length
		at := bytes.Index(h.payload, []byte{0, tagAuth, 0, 34, 1})
		h.payload[at+5] = value[1]
	}
	t.mine = h.bytes()
	t.phase = greeted
	if err := t.answer(h); err != nil || t.bug("AUTH-003") {
		return err
	}
	if t.bug("AUTH-007-alive") {
		t.send(frame{typ: typeKeepAlive})
	}
	return t.answer(frame{typeAuth, t.proofOf(Server)})
}

// proven is an AUTH. mu is held.
func (t *tunnel) proven(proof []byte) error {
	switch {
	case t.role == Server && t.phase == greeted:
		if t.bug("AUTH-003") {
			_ = t.answer(frame{typeAuth, t.proofOf(Server)})
		}
		secret, has := t.keys.find(t.id) // it may have been taken away since HELLO (AUTH-018)
		has = has && bytes.Equal(secret, t.secret) || t.bug("AUTH-018-greeted") || t.bug("AUTH-006-secret")
		right := t.known && has && t.equal(proof, t.proofOf(Client)) || t.bug("AUTH-005") || t.bug("AUTH-005-reflected") && t.equal(proof, t.proofOf(Server))
		if !right {
			return t.deny("wrong proof")
		}
		t.phase = up
		t.changed.Broadcast()
		if t.bug("AUTH-005-drops") {
			_, _ = t.in.Discard(t.in.Buffered())
		}
		return t.answer(frame{typ: typeAuth})
	case t.role == Client && t.phase == greeted && len(proof) > 0:
		if !t.equal(proof, t.proofOf(Server)) && !t.bug("AUTH-004") && !t.bug("TLS-004-key") {
			t.unwanted = true
			if t.bug("AUTH-004-word") {
				return broken("AUTH-004", "the server's proof is wrong")
			}
			return errors.New("AUTH-004: the server's proof is wrong")
		}
		t.phase = proving
		t.send(frame{typeAuth, t.proofOf(Client)})
		t.send(frame{typ: typeKeepAlive}) // AUTH-020
		t.asked++
		return nil
	case t.role == Client && t.phase == proving && len(proof) == 0:
		t.phase = up
		t.followed()
		t.raised()
		t.changed.Broadcast()
		return nil
	}
	return t.astray()
}

// astray is an AUTH that has no place (AUTH-025).
func (t *tunnel) astray() error {
	if t.bug("AUTH-025") {
		return nil
	}
	return broken("AUTH-025", "an AUTH that answers nothing")
}

// once has the right proofs that a mutant has seen.
var once sync.Map

// equal compares proofs. mu is held.
func (t *tunnel) equal(got, want []byte) bool {
	same := hmac.Equal(got, want) // AUTH-008
	switch {
	case t.bug("AUTH-004-half") || t.bug("AUTH-005-half"):
		return len(got) == len(want) && bytes.Equal(got[:16], want[:16])
	case t.bug("AUTH-004-replayed") || t.bug("AUTH-005-replayed"):
		if same {
			once.Store(string(got), true)
		}
		_, before := once.Load(string(got))
		return before
	}
	return same
}

// deny turns a client away, and does not say why (AUTH-024). mu is held.
func (t *tunnel) deny(why string) error {
	text := ""
	if t.bug("AUTH-024") {
		text = why
	}
	t.part(codeDenied, text)
	return nil
}

// revoke ends the tunnel of a key that was taken away (AUTH-018).
func (t *tunnel) revoke() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.away.over = true
	t.endAll(false)
	t.part(codeDenied, "the key was taken away")
}

// Seats of tunnels that are not up (AUTH-016).
const (
	seats        = 256
	seatsAddress = 32
	seatKept     = 2 * time.Second
)

// seat makes room for one more tunnel that is not up; false: there is none. s.mu is held.
func (s *server) seat(of *tunnel) bool {
	host := func(t *tunnel) string { h, _, _ := strings.Cut(t.sock.RemoteAddr().String(), ":"); return h }
	var all, same []*tunnel
	for _, t := range s.tunnels {
		t.mu.Lock()
		waits := t.phase != up && !t.lost
		t.mu.Unlock()
		if waits {
			all = append(all, t)
			if host(t) == host(of) {
				same = append(same, t)
			}
		}
	}
	var from []*tunnel
	switch {
	case len(same) >= seatsAddress && !of.bug("AUTH-016") && !of.bug("AUTH-016-address"):
		from = same
	case len(all) >= seats && !of.bug("AUTH-016"):
		from = all
	default:
		return true
	}
	oldest := slices.MinFunc(from, func(a, b *tunnel) int { return cmp.Compare(a.since.UnixNano(), b.since.UnixNano()) })
	if time.Since(oldest.since) < seatKept && !of.bug("AUTH-016-kept") || of.bug("AUTH-016-closed") {
		return false
	}
	oldest.hangUp()
	return true
}

// watchKeys takes notice of changes of the file of keys, until stopped is closed.
func (s *server) watchKeys(stopped <-chan struct{}) {
	every := time.NewTicker(200 * time.Millisecond)
	defer every.Stop()
	for {
		select {
		case <-stopped:
			return
		case <-every.C:
		}
		gone, err := s.keys.load()
		if err != nil {
			fmt.Fprintf(os.Stderr, "the file of keys: %v\n", err)
		}
		if len(gone) == 0 || s.o.Mutant == "AUTH-018" {
			continue
		}
		s.mu.Lock()
		tunnels := s.tunnels
		s.mu.Unlock()
		for _, t := range tunnels {
			t.mu.Lock()
			ends := t.phase == up && (slices.Contains(gone, t.id) || t.bug("AUTH-018-all"))
			t.mu.Unlock()
			if ends {
				t.revoke()
			}
		}
	}
}
