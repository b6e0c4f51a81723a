package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/adit-tunnel/adit/reference/access"
)

// howTo ends every answer to a request without a credential that counts.
const howTo = "; send a key or a token as Authorization: Bearer KEY, or as the password of Basic, which a browser asks for"

// admit says who asks, and refuses whoever may not. Without authentication that is nobody.
func (h *handler) admit(w http.ResponseWriter, r *http.Request, need access.Role) (access.Who, error) {
	switch {
	case need == "", h.Access == nil && namesNoSite(r.Host):
		return access.Who{}, nil
	case h.Access == nil:
		return access.Who{}, forbidden("without authentication the API is called by an address or as localhost, and not by another name, which a page of another site could have led here; do so, or set security.api.enable_auth")
	}
	given, shown := access.Shown(r.Header.Get("Authorization"))
	if !shown {
		return access.Who{}, h.unauthorized(w, "this needs an API key"+howTo)
	}
	who, err := h.Access.Check(given, h.Logger)
	if err != nil {
		return access.Who{}, h.unauthorized(w, err.Error()+howTo)
	}
	if !who.Role.May(need) {
		return access.Who{}, forbidden("this takes the role " + string(need) + ", and " + who.Name + " has " + string(who.Role) + "; use a key that was made with --role " + string(need))
	}
	return who, nil
}

// stillGood reports whether a request that was admitted would be again.
func (h *handler) stillGood(r *http.Request) bool {
	if h.Access == nil {
		return true
	}
	given, _ := access.Shown(r.Header.Get("Authorization"))
	_, err := h.Access.Check(given, h.Logger)
	return err == nil
}

func (h *handler) unauthorized(w http.ResponseWriter, message string) error {
	w.Header()["Www-Authenticate"] = []string{`Basic realm="adit", charset="UTF-8"`, `Bearer realm="adit"`}
	return &refusal{status: http.StatusUnauthorized, message: message}
}

// namesNoSite reports whether a Host header is an address or localhost. A page of evil.example, whose name leads to this
// machine once the page is there, is of the same site as what it asks for, so its requests pass for those of our own page.
func namesNoSite(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	_, err := netip.ParseAddr(host)
	return err == nil || host == "" || strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost")
}
