package spec

import (
	"embed"
	"fmt"
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
	Kind         string   `json:"kind"` // frame, stream or dialogue
	Title        string   `json:"title"`
	Requirements []string `json:"requirements"`
	Profile      string   `json:"profile"`
	Role         string   `json:"role"` // who is the subject, as receiver or in the dialogue: server, client or both
	Notes        string   `json:"notes"`
	Twin         string   `json:"twin,omitempty"` // of an invalid vector: the valid one that differs least

	// Kinds frame and stream; a dialogue has Error alone.
	Octets Octets   `json:"octets,omitempty"` // frame: the frame, or as much of it as the receiver needs to see
	Chunks []Octets `json:"chunks,omitempty"` // stream: what each read returns
	Expect string   `json:"expect,omitempty"` // accept, skip (frame only) or reject
	Frame  *Frame   `json:"frame,omitempty"`  // frame: decoded; absent when rejected below the payload
	Frames []Frame  `json:"frames,omitempty"` // stream: whole frames, in order, before the end or the error
	Rest   int      `json:"rest,omitempty"`   // stream: octets of an incomplete frame at its end
	Error  *Failure `json:"error,omitempty"`  // of reject and skip, and of a dialogue whose peer is at fault

	// Kind dialogue.
	Steps []Step `json:"steps,omitempty"`
}

// A Frame is a decoded frame. Fields that its type does not have are nil.
type Frame struct {
	Type   string  `json:"type"` // a name of section 6, or 0xNN
	ID     *uint32 `json:"id,omitempty"`
	Port   *uint16 `json:"port,omitempty"`
	Form   string  `json:"form,omitempty"`   // of ConnectRequest: short or addressed
	Host   *string `json:"host,omitempty"`   // of the addressed form, ASCII
	Status *uint8  `json:"status,omitempty"` // of ConnectResponse
	Octets *Octets `json:"octets,omitempty"` // of Data: after the ID; of an unknown type: the payload
}

// A Failure is what is wrong with a frame and what that ends.
type Failure struct {
	Layer       string `json:"layer"` // which check must notice: version, length, type, size, state or content, in this order
	Dies        string `json:"dies"`  // tunnel, connection or nothing
	Requirement string `json:"requirement"`
}

// A Step of a dialogue has exactly one of From, Event and Expect.
type Step struct {
	From   string   `json:"from,omitempty"`   // server or client: sends Octets on the tunnel
	Event  string   `json:"event,omitempty"`  // what the world does: "visitor connects"
	Expect string   `json:"expect,omitempty"` // what the world sees of the subject: "visitor reads"
	Octets Octets   `json:"octets,omitempty"`
	Frame  *Frame   `json:"frame,omitempty"`  // the octets decoded; absent for what does not decode
	Free   []string `json:"free,omitempty"`   // fields of Frame whose values the sender may choose otherwise
	Or     []Frame  `json:"or,omitempty"`     // frames that are as good in the place of Frame
	Within string   `json:"within,omitempty"` // a limit of section 17
	Conn   string   `json:"conn,omitempty"`   // which of several local sockets: A or B; absent: the one without a name

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
		var v Vector
		if err := decode(b, &v); err != nil {
			panic("spec: internal error: " + name + ": " + err.Error())
		}
		if v.ID+".json" != path.Base(name) {
			panic("spec: internal error: " + name + " has the id " + v.ID)
		}
		all = append(all, v)
	}
	return all
})

// Vectors walks the vectors of a kind, or all of them for "".
func Vectors(kind string) iter.Seq[Vector] {
	return func(yield func(Vector) bool) {
		for _, v := range vectors() {
			if (kind == "" || v.Kind == kind) && !yield(v) {
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
