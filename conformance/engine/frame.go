package engine

import "github.com/adit-tunnel/adit/conformance/wire"

// Frames, by the names in which cases are written.
type (
	Frame = wire.Frame
	Type  = wire.Type
	TLV   = wire.TLV
)

// Frame types, constants of the format and statuses.
const (
	TypeConnectRequest  = wire.TypeConnectRequest
	TypeConnectResponse = wire.TypeConnectResponse
	TypeData            = wire.TypeData
	TypeClose           = wire.TypeClose
	TypeKeepAlive       = wire.TypeKeepAlive

	TypeHello  = wire.TypeHello
	TypeWindow = wire.TypeWindow
	TypeFin    = wire.TypeFin
	TypeReset  = wire.TypeReset
	TypeOpen   = wire.TypeOpen
	TypeGoAway = wire.TypeGoAway
	TypePing   = wire.TypePing
	TypePong   = wire.TypePong
	TypeOpened = wire.TypeOpened

	TypeBind   = wire.TypeBind
	TypeBound  = wire.TypeBound
	TypeUnbind = wire.TypeUnbind

	Version    = wire.Version
	HeaderLen  = wire.HeaderLen
	MaxPayload = wire.MaxPayload

	Success       = wire.Success
	StatusGeneral = wire.StatusGeneral
	StatusRefused = wire.StatusRefused
	StatusDenied  = wire.StatusDenied
)

// Request, and the others, make frames.
var (
	Request   = wire.Request
	RequestTo = wire.RequestTo
	Response  = wire.Response
	Data      = wire.Data
	Close     = wire.Close
	KeepAlive = wire.KeepAlive
	Raw       = wire.Raw
	Header    = wire.Header
)
