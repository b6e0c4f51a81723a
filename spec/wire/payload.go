package wire

import (
	"encoding/binary"
	"net/netip"
	"strings"
)

// Status is a ConnectResponse's status (section 6.2). Every value but StatusSuccess is a failure.
type Status uint8

// Statuses.
const (
	StatusSuccess     Status = 0x00
	StatusGeneral     Status = 0x01
	StatusRefused     Status = 0x02
	StatusTimedOut    Status = 0x03
	StatusUnreachable Status = 0x04
	StatusNotResolved Status = 0x05
	StatusDenied      Status = 0x06
	StatusTooMany     Status = 0x07
)

func (s Status) String() string {
	names := [...]string{"success", "general", "refused", "timed-out", "unreachable", "not-resolved", "denied", "too-many"}
	if int(s) < len(names) {
		return names[s]
	}
	return "failure"
}

// ConnectRequest asks a client for a connection to a service.
type ConnectRequest struct {
	ID    uint32
	Port  uint16
	Short bool   // the short form, which names no host
	Host  string // at most 255 bytes, as the peer sent them; "" in the short form
}

// ParseConnectRequest reads a whole payload. The host's bytes are copied.
func ParseConnectRequest(p []byte) (ConnectRequest, error) {
	if err := checkSize(TypeConnectRequest, len(p)); err != nil {
		return ConnectRequest{}, err
	}
	if len(p) > 6 && len(p) != 7+int(p[6]) {
		return ConnectRequest{}, badSize(TypeConnectRequest, len(p))
	}
	r := ConnectRequest{ID: binary.BigEndian.Uint32(p), Port: binary.BigEndian.Uint16(p[4:]), Short: len(p) == 6}
	if !r.Short {
		r.Host = string(p[7:])
	}
	return r, nil
}

// ValidHost reports whether a host is an address or can be a DNS name (OPEN-009).
func ValidHost(h string) bool {
	if _, err := netip.ParseAddr(h); err == nil {
		return true
	}
	h = strings.TrimSuffix(h, ".")
	if len(h) > 253 {
		return false
	}
	for label := range strings.SplitSeq(h, ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, notInName) {
			return false
		}
	}
	return true
}

func notInName(c rune) bool {
	return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_')
}

// AppendConnectRequest appends the frame. A host has at most 255 bytes.
func AppendConnectRequest(b []byte, r ConnectRequest) []byte {
	if r.Short {
		b = AppendHeader(b, TypeConnectRequest, 6)
		return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(b, r.ID), r.Port)
	}
	if len(r.Host) > 255 {
		panic("wire: internal error: host longer than 255 bytes")
	}
	b = AppendHeader(b, TypeConnectRequest, 7+len(r.Host))
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(b, r.ID), r.Port)
	return append(append(b, byte(len(r.Host))), r.Host...)
}

// ParseConnectResponse reads a whole payload.
func ParseConnectResponse(p []byte) (id uint32, status Status, err error) {
	if err := checkSize(TypeConnectResponse, len(p)); err != nil {
		return 0, 0, err
	}
	return binary.BigEndian.Uint32(p), Status(p[4]), nil
}

// AppendConnectResponse appends the frame.
func AppendConnectResponse(b []byte, id uint32, status Status) []byte {
	return append(binary.BigEndian.AppendUint32(AppendHeader(b, TypeConnectResponse, 5), id), byte(status))
}

// ParseData reads a whole payload. The data is part of p.
func ParseData(p []byte) (id uint32, data []byte, err error) {
	if err := checkSize(TypeData, len(p)); err != nil {
		return 0, nil, err
	}
	return binary.BigEndian.Uint32(p), p[IDLen:], nil
}

// AppendData appends the frame; data has at most MaxPayload-IDLen bytes.
func AppendData(b []byte, id uint32, data []byte) []byte {
	return append(AppendDataHeader(b, id, len(data)), data...)
}

// AppendDataHeader appends what precedes the n bytes of a Data frame: header and ID.
func AppendDataHeader(b []byte, id uint32, n int) []byte {
	return binary.BigEndian.AppendUint32(AppendHeader(b, TypeData, IDLen+n), id)
}

// PutData writes what precedes the n bytes of a Data frame into the first HeaderLen+IDLen bytes of b.
func PutData(b []byte, id uint32, n int) { AppendDataHeader(b[:0], id, n) }

// ParseClose reads a whole payload.
func ParseClose(p []byte) (id uint32, err error) {
	if err := checkSize(TypeClose, len(p)); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(p), nil
}

// AppendClose appends the frame.
func AppendClose(b []byte, id uint32) []byte {
	return binary.BigEndian.AppendUint32(AppendHeader(b, TypeClose, IDLen), id)
}

// AppendKeepAlive appends the frame.
func AppendKeepAlive(b []byte) []byte { return AppendHeader(b, TypeKeepAlive, 0) }
