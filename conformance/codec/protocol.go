package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/adit-tunnel/adit/spec"
)

// Lines says to whoever has the command alone what the program reads and writes; conformance/README.md has the same examples.
const Lines = `The program reads one JSON request per line and writes one JSON answer per line, flushed, until the end of its input. Frames and
errors have the fields of the golden vectors; bytes in requests are plain hex, in lines of up to 3 MiB.

  {"id":"frame_close/cut-7","op":"decode","role":"both","chunks":["01040000000400","000001"]}
  {"id":"frame_close/cut-7","frames":[{"type":"Close","id":1}]}

  {"id":"stream_error_length/joined","op":"decode","role":"both","chunks":["0103000000090000000168656c6c6f010300100001"]}
  {"id":"stream_error_length/joined","frames":[{"type":"Data","id":1,"octets":"68656c6c6f"}],"error":{"layer":"length","dies":"tunnel"}}

  {"id":"frame_close/encode","op":"encode","frame":{"type":"Close","id":1}}
  {"id":"frame_close/encode","octets":"01040000000400000001"}

chunks are what successive reads return; role is who receives; with --ext some requests have "profile":"ext": the receiver has sent and received HELLO. An answer has frames, whole ones in their order (absent for none), and
then rest, the number of bytes of an incomplete frame at the end (absent for none), or error: its layer, and what dies.`

// Operations of a Request.
const (
	opDecode = "decode"
	opEncode = "encode"
)

// A Request is one line to the program. Bytes in it are plain hex digits.
type Request struct {
	ID      string        `json:"id"`                // the answer repeats it
	Op      string        `json:"op"`                // decode or encode
	Role    string        `json:"role,omitempty"`    // decode: who receives, server or client; both: a codec that knows no role
	Profile string        `json:"profile,omitempty"` // decode: ext for a receiver that has sent and received HELLO; absent: a Core one
	Chunks  []string      `json:"chunks,omitempty"`  // decode: what successive reads return
	Frame   *spec.Decoded `json:"frame,omitempty"`   // encode
}

// An Answer is one line from the program. Bytes in it may have the notation of the vectors.
type Answer struct {
	ID     string         `json:"id,omitempty"`
	Frames []spec.Decoded `json:"frames,omitempty"` // decode: whole frames, in order, before the end or the error
	Rest   int            `json:"rest,omitempty"`   // decode: bytes of an incomplete frame at the end
	Error  *spec.Failure  `json:"error,omitempty"`  // decode: its requirement may be left out
	Octets *spec.Octets   `json:"octets,omitempty"` // encode
}

// parseAnswer reads a line. A field that no answer has is refused: it is a misspelt one.
func parseAnswer(line []byte) (Answer, error) {
	var a Answer
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&a); err != nil {
		return a, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return a, fmt.Errorf("more than one JSON value")
	}
	if a.Octets != nil {
		if err := a.Octets.Check(); err != nil {
			return a, err
		}
	}
	for i, f := range a.Frames {
		notations := []*spec.Octets{f.Octets, f.Text, f.Mark}
		for _, v := range f.TLVs {
			notations = append(notations, &v.Value)
		}
		for _, o := range notations {
			if o == nil {
				continue
			}
			if err := o.Check(); err != nil {
				return a, fmt.Errorf("frame %d: %w", i+1, err)
			}
		}
	}
	return a, nil
}
