// Package api is the HTTP control API of PROTOCOL.md, Appendix B, and the
// status page that shows what it tells.
//
//	api.go      Handler: routes, envelope
//	body.go     strict JSON
//	control.go  Controller: what the API needs of a server, and the shapes it speaks
//	page.html   the status page, self-contained, fed by /api/stats
package api
