package wire

import "encoding/binary"

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
	Host  string // at most 255 octets, as the peer sent them; "" in the short form
}

// ParseConnectRequest reads a whole payload. The host's octets are copied.
func ParseConnectRequest(p []byte) (ConnectRequest, error) {
	if len(p) < 6 || len(p) > 6 && len(p) != 7+int(p[6]) {
		return ConnectRequest{}, badSize(TypeConnectRequest, len(p))
	}
	r := ConnectRequest{ID: binary.BigEndian.Uint32(p), Port: binary.BigEndian.Uint16(p[4:]), Short: len(p) == 6}
	if !r.Short {
		r.Host = string(p[7:])
	}
	return r, nil
}

// AppendConnectRequest appends the frame. A host has at most 255 octets.
func AppendConnectRequest(b []byte, r ConnectRequest) []byte {
	if r.Short {
		b = AppendHeader(b, TypeConnectRequest, 6)
		return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(b, r.ID), r.Port)
	}
	if len(r.Host) > 255 {
		panic("wire: internal error: host longer than 255 octets")
	}
	b = AppendHeader(b, TypeConnectRequest, 7+len(r.Host))
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(b, r.ID), r.Port)
	return append(append(b, byte(len(r.Host))), r.Host...)
}

// ParseConnectResponse reads a whole payload.
func ParseConnectResponse(p []byte) (id uint32, status Status, err error) {
	if len(p) != 5 {
		return 0, 0, badSize(TypeConnectResponse, len(p))
	}
	return binary.BigEndian.Uint32(p), Status(p[4]), nil
}

// AppendConnectResponse appends the frame.
func AppendConnectResponse(b []byte, id uint32, status Status) []byte {
	return append(binary.BigEndian.AppendUint32(AppendHeader(b, TypeConnectResponse, 5), id), byte(status))
}

// ParseData reads a whole payload. The octets are part of p.
func ParseData(p []byte) (id uint32, octets []byte, err error) {
	if len(p) < IDLen {
		return 0, nil, badSize(TypeData, len(p))
	}
	return binary.BigEndian.Uint32(p), p[IDLen:], nil
}

// AppendData appends the frame; octets are at most MaxPayload-IDLen.
func AppendData(b []byte, id uint32, octets []byte) []byte {
	return append(AppendDataHeader(b, id, len(octets)), octets...)
}

// AppendDataHeader appends what precedes the n octets of a Data frame: header and ID.
func AppendDataHeader(b []byte, id uint32, n int) []byte {
	return binary.BigEndian.AppendUint32(AppendHeader(b, TypeData, IDLen+n), id)
}

// PutData writes what precedes the n octets of a Data frame into the first HeaderLen+IDLen octets of b.
func PutData(b []byte, id uint32, n int) { AppendDataHeader(b[:0], id, n) }

// ParseClose reads a whole payload.
func ParseClose(p []byte) (id uint32, err error) {
	if len(p) != IDLen {
		return 0, badSize(TypeClose, len(p))
	}
	return binary.BigEndian.Uint32(p), nil
}

// AppendClose appends the frame.
func AppendClose(b []byte, id uint32) []byte {
	return binary.BigEndian.AppendUint32(AppendHeader(b, TypeClose, IDLen), id)
}

// AppendKeepAlive appends the frame.
func AppendKeepAlive(b []byte) []byte { return AppendHeader(b, TypeKeepAlive, 0) }
