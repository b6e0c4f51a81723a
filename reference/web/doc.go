// Package web lets visitors of the web in: a reverse proxy that leads each request to the mapping of its host name and path.
// It knows no tunnels; each [Route] says how its service is reached.
//
//	request -> routes: host and path -> who asks -> the service, by a connection of that visitor's own
//
// Use: [New], [Server.Add] for each mapping, and [Server.Serve] with a listener, or with two, one of them for TLS. [Server.Close]
// ends it. A connection to a service is used again for the same visitor alone, so that what the service hears of where it
// comes from is true, and limits count visitors.
//
// Who asks is not believed in what it says of itself: headers that name the visitor are replaced, requests that programs read
// in different ways are refused ([Server.ServeHTTP]), and whoever is slow is given up.
//
// Files:
//
//	web.go      Config, Server: how it begins and ends
//	route.go    Route, and which is a request's
//	handler.go  from a request to its service
//	header.go   headers that say who visits
//	answer.go   Error: why there is no answer of a service, as a page or JSON
//	slow.go     visitors that send or take their bytes too slowly
//	certs.go    certificates, of files or by ACME
package web
