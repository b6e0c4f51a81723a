package spec

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed vectors
var vectorFiles embed.FS

// A Vector is one golden scenario. Kind says which of the later fields it has.
type Vector struct {
	ID           string   `json:"id"`   // the file's name
	Kind         string   `json:"kind"` // frame, stream, dialogue, key or proof
	Title        string   `json:"title"`
	Requirements []string `json:"requirements"`
	Profile      string   `json:"profile"`
	Role         string   `json:"role"` // who is the subject, as receiver or in the dialogue: server, client or both
	Notes        string   `json:"notes"`
	Twin         string   `json:"twin,omitempty"` // of an invalid vector: the valid one that differs least

	// Kinds frame and stream; a dialogue has Error alone.
	Octets Octets    `json:"octets,omitempty"` // frame: the frame, or as much of it as the receiver needs to see
	Chunks []Octets  `json:"chunks,omitempty"` // stream: what each read returns
	Expect string    `json:"expect,omitempty"` // accept, skip (frame only) or reject; of a key, too
	Frame  *Decoded  `json:"frame,omitempty"`  // frame: decoded; absent when rejected below the payload
	Frames []Decoded `json:"frames,omitempty"` // stream: whole frames, in order, before the end or the error
	Rest   int       `json:"rest,omitempty"`   // stream: octets of an incomplete frame at its end
	Error  *Failure  `json:"error,omitempty"`  // of reject and skip, and of a dialogue whose peer is at fault

	// Kind key.
	Line *string `json:"line,omitempty"` // a key as text, or what is not one
	Key  *Key    `json:"key,omitempty"`  // what the line says; absent when rejected

	// Kind proof.
	Proofs *Proofs `json:"proofs,omitempty"`

	// Kind dialogue.
	Steps []Step `json:"steps,omitempty"`
	Found *Found `json:"found,omitempty"` // what a run saw when it wrote the dialogue; no golden vector has it
}

// A Key is what a client and its server have in common (section 30).
type Key struct {
	ID     string `json:"id"`
	Secret Octets `json:"secret"`
}

// Proofs are those of both sides in a handshake with auth, and what they are made of.
type Proofs struct {
	Key         Key    `json:"key"`
	Binding     uint8  `json:"binding"`
	Certificate Octets `json:"certificate,omitempty"` // of binding 2: the server's, in DER
	CB          Octets `json:"cb"`
	ClientHello Octets `json:"client_hello"` // the whole frame
	ServerHello Octets `json:"server_hello"`
	T           Octets `json:"t"`
	Server      Octets `json:"server_proof"`
	Client      Octets `json:"client_proof"`
}

// A Found is a failure that a dialogue repeats: its last step is what failed.
type Found struct {
	Suite    string `json:"suite"` // version
	Set      string `json:"requirement_set"`
	Case     string `json:"case"`
	Seed     uint64 `json:"seed"`
	Level    string `json:"level"` // of the vector's first requirement, which was broken
	Clause   string `json:"clause"`
	Sentence string `json:"sentence"` // what should have been seen; without Got, what was wrong
	Expected string `json:"expected,omitempty"`
	Got      string `json:"got,omitempty"`
	Cut      string `json:"cut,omitempty"`       // how octets are handed to the network: octets, fields, joined; absent: as the steps say
	Rule     bool   `json:"rule,omitempty"`      // the requirement holds in every dialogue: by that it fails, not by the last step
	Dies     bool   `json:"dies,omitempty"`      // the subject does: by that it fails
	RSS      int64  `json:"rss_above,omitempty"` // the subject holds more octets of memory: by that it fails
}

// A Decoded is one frame as values. Fields that its type does not have are nil.
type Decoded struct {
	Type   string  `json:"type"` // a name of section 6, 24, 30 or 32, or 0xNN
	ID     *uint32 `json:"id,omitempty"`
	Port   *uint16 `json:"port,omitempty"`
	Form   string  `json:"form,omitempty"`   // of ConnectRequest: short or addressed; of AUTH: empty or proof
	Host   *string `json:"host,omitempty"`   // of the addressed form, ASCII
	Status *uint8  `json:"status,omitempty"` // of ConnectResponse
	Octets *Octets `json:"octets,omitempty"` // of Data: after the ID; of an unknown type: the payload

	Limit *uint64      `json:"limit,omitempty"` // of WINDOW
	Code  *uint16      `json:"code,omitempty"`  // of RESET, GOAWAY, BOUND and UNBIND
	Text  *Octets      `json:"text,omitempty"`  // of RESET and GOAWAY: any octets
	Mark  *Octets      `json:"mark,omitempty"`  // of PING and PONG
	Proof *Octets      `json:"proof,omitempty"` // of AUTH
	Bind  *uint32      `json:"bind,omitempty"`  // of BIND, BOUND and UNBIND: the bind ID
	TLVs  []DecodedTLV `json:"tlvs,omitzero"`   // of HELLO, OPEN, OPENED, BIND and BOUND
}

// A DecodedTLV is one TLV as values.
type DecodedTLV struct {
	Tag   string `json:"tag"` // 0xNNNN
	Value Octets `json:"value"`
}

// A Failure is what is wrong with a frame and what that ends.
type Failure struct {
	Layer       string `json:"layer"` // which check must notice: version, length, type, size, state or content, in this order
	Dies        string `json:"dies"`  // tunnel, connection or nothing
	Requirement string `json:"requirement"`
}

// A Step of a dialogue has exactly one of From, Event and Expect.
type Step struct {
	From   string    `json:"from,omitempty"`   // server or client: sends Octets on the tunnel
	Event  string    `json:"event,omitempty"`  // what the world does: "visitor connects"
	Expect string    `json:"expect,omitempty"` // what the world sees of the subject: "visitor reads"
	Octets Octets    `json:"octets,omitempty"`
	Frame  *Decoded  `json:"frame,omitempty"`  // the octets decoded; absent for what does not decode
	Free   []string  `json:"free,omitempty"`   // fields of Frame whose values the sender may choose otherwise
	Or     []Decoded `json:"or,omitempty"`     // frames that are as good in the place of Frame
	Within string    `json:"within,omitempty"` // a limit of section 17, or a time like 1.5s
	Conn   string    `json:"conn,omitempty"`   // which of several local sockets, like A; absent: the one without a name
	Tunnel int       `json:"tunnel,omitempty"` // which of several tunnels, in the order in which they began; absent: the latest

	Times     int       `json:"times,omitempty"`      // of the peer's frame: so many of them; absent: one
	Piece     int       `json:"piece,omitempty"`      // of the peer's octets: so many in a write; absent: all
	Pause     string    `json:"pause,omitempty"`      // between two writes, like 1ms
	NotBefore string    `json:"not_before,omitempty"` // of an expectation: a time before which it must not come
	Others    bool      `json:"others,omitempty"`     // of the subject's frame: frames of other connections may come before it
	Without   []Decoded `json:"without,omitempty"`    // with Others: these must not have come
	Optional  bool      `json:"optional,omitempty"`   // it may be missing

	Requirements []string `json:"requirements,omitempty"`
	Note         string   `json:"note,omitempty"`
}

// vectors are kept in the order of their names.
var vectors = sync.OnceValue(func() []Vector {
	names, err := fs.Glob(vectorFiles, "vectors/*_*.json")
	if err != nil || len(names) == 0 {
		panic(fmt.Sprintf("spec: internal error: no vectors (%v)", err))
	}
	all := make([]Vector, 0, len(names))
	for _, name := range names {
		b, err := vectorFiles.ReadFile(name)
		if err != nil {
			panic("spec: internal error: " + err.Error())
		}
		v, err := ParseVector(b)
		if err != nil {
			panic("spec: internal error: " + name + ": " + err.Error())
		}
		if v.ID+".json" != path.Base(name) {
			panic("spec: internal error: " + name + " has the id " + v.ID)
		}
		all = append(all, v)
	}
	return all
})

// ParseVector reads one vector. An error says which field is wrong; what the
// fields mean together is the business of who uses them.
func ParseVector(b []byte) (v Vector, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err = d.Decode(&v); err != nil {
		if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return v, fmt.Errorf("%s: must be a %s, is a %s", te.Field, te.Type, te.Value)
		}
		line := 1 + bytes.Count(b[:min(int(d.InputOffset()), len(b))], []byte("\n"))
		return v, fmt.Errorf("line %d: %s", line, strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return v, errors.New("something follows the document")
	}
	return v, nil
}

// VectorSchema is the JSON Schema of a vector.
func VectorSchema() []byte {
	b, err := vectorFiles.ReadFile("vectors/schema.json")
	if err != nil {
		panic("spec: internal error: " + err.Error())
	}
	return b
}

// Vectors walks the vectors of a kind that are about Core, or all of those for "".
func Vectors(kind string) iter.Seq[Vector] { return vectorsOf("core", kind) }

// ExtVectors walks the vectors of a kind that are about the Extended profile, or all of those for "".
func ExtVectors(kind string) iter.Seq[Vector] { return vectorsOf("ext", kind) }

// AuthVectors walks the vectors of a kind that are about the option auth, or all of those for "".
func AuthVectors(kind string) iter.Seq[Vector] { return vectorsOf("auth", kind) }

// BindVectors walks the vectors of a kind that are about the option bind, or all of those for "".
func BindVectors(kind string) iter.Seq[Vector] { return vectorsOf("bind", kind) }

func vectorsOf(profile, kind string) iter.Seq[Vector] {
	return func(yield func(Vector) bool) {
		for _, v := range vectors() {
			if v.Profile == profile && (kind == "" || v.Kind == kind) && !yield(v) {
				return
			}
		}
	}
}

// VectorOf returns the vector of an ID.
func VectorOf(id string) (Vector, bool) {
	i, ok := slices.BinarySearchFunc(vectors(), id, func(v Vector, id string) int {
		return strings.Compare(v.ID+".json", id+".json")
	})
	if !ok {
		return Vector{}, false
	}
	return vectors()[i], true
}
