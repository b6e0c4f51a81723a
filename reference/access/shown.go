package access

import (
	"encoding/base64"
	"strings"
)

// Shown is the credential in an Authorization or Proxy-Authorization header, by the scheme Bearer or Basic. With Basic it is
// the password, or the name where that is empty: browsers and programs ask for both.
func Shown(header string) (credential string, ok bool) {
	scheme, rest, _ := strings.Cut(header, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return rest, rest != ""
	case !strings.EqualFold(scheme, "Basic"):
		return "", false
	}
	pair, err := base64.StdEncoding.DecodeString(rest)
	name, password, hasPassword := strings.Cut(string(pair), ":")
	if password == "" {
		password = name
	}
	return password, err == nil && hasPassword && password != ""
}
