package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/adit-tunnel/adit/spec"
)

// Operations of a Request.
const (
	opDecode = "decode"
	opEncode = "encode"
)

// A Request is one line to the program. Octets in it are plain hex digits.
type Request struct {
	ID     string      `json:"id"`               // the answer repeats it
	Op     string      `json:"op"`               // decode or encode
	Role   string      `json:"role,omitempty"`   // decode: who receives, server or client; both: a codec that knows no role
	Chunks []string    `json:"chunks,omitempty"` // decode: what successive reads return
	Frame  *spec.Frame `json:"frame,omitempty"`  // encode
}

// An Answer is one line from the program. Octets in it may have the notation of the vectors.
type Answer struct {
	ID     string        `json:"id,omitempty"`
	Frames []spec.Frame  `json:"frames,omitempty"` // decode: whole frames, in order, before the end or the error
	Rest   int           `json:"rest,omitempty"`   // decode: octets of an incomplete frame at the end
	Error  *spec.Failure `json:"error,omitempty"`  // decode: its requirement may be left out
	Octets *spec.Octets  `json:"octets,omitempty"` // encode
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
		if f.Octets != nil {
			if err := f.Octets.Check(); err != nil {
				return a, fmt.Errorf("frame %d: %w", i+1, err)
			}
		}
	}
	return a, nil
}
