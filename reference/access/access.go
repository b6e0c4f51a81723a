package access

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/adit-tunnel/adit/reference/files"
)

// Role is what a credential is good for.
type Role string

const (
	// Read is to look at everything but secrets.
	Read Role = "read"
	// Operate is to change things, too.
	Operate Role = "operate"
	// Visit is nothing of the API's: it opens what asks visitors who they are.
	Visit Role = "visit"
)

// ParseRole reads the name of a role.
func ParseRole(text string) (Role, error) {
	if r := Role(text); r == Read || r == Operate || r == Visit {
		return r, nil
	}
	return "", fmt.Errorf("%q is no role; there are read, which looks, operate, which changes things too, and visit, for visitors of the web and of the proxy", text)
}

// May reports whether the role is good for what another is needed for.
func (r Role) May(need Role) bool { return r == need || r == Operate && need == Read }

// Who is whoever has shown a credential.
type Who struct {
	Name string // of the key, or whom the token is for
	Role Role
}

// Guard knows the credentials of an API. Safe for use from any number of goroutines.
type Guard struct {
	keys   *files.Watched[[]key]
	tokens *files.Watched[*verifier] // nil: there are none
}

// FileError says which key of the configuration names a file that cannot be used.
type FileError struct {
	Key string // keys_file or jwt_key_file
	Err error
}

func (e *FileError) Error() string { return e.Key + ": " + e.Err.Error() }

func (e *FileError) Unwrap() error { return e.Err }

// Open reads the file of keys and, if it has a name, the one of tokens. With tokens the file of keys need not be there.
func Open(keysFile, jwtKeyFile string) (*Guard, error) {
	g := &Guard{}
	var err error
	g.keys, err = files.Watch("API keys", func() ([]key, error) {
		all, err := readKeys(keysFile)
		if jwtKeyFile != "" && errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return all, err
	}, keysFile)
	if err != nil {
		return nil, &FileError{"keys_file", err}
	}
	if jwtKeyFile == "" {
		return g, nil
	}
	g.tokens, err = files.Watch("the key of tokens", func() (*verifier, error) { return readVerifier(jwtKeyFile) }, jwtKeyFile)
	if err != nil {
		return nil, &FileError{"jwt_key_file", err}
	}
	return g, nil
}

// Empty reports that no credential can be right.
func (g *Guard) Empty() bool { return g.tokens == nil && len(g.keys.Value()) == 0 }

// mostCredential bounds what is looked at, in bytes.
const mostCredential = 8 << 10

// Check says whose a credential is. An error says why it is of no use and what to do, for whoever has sent it; it tells keys
// apart by their form alone.
func (g *Guard) Check(credential string, log *slog.Logger) (Who, error) {
	all := g.keys.Now(log)
	switch {
	case len(credential) > mostCredential:
		return Who{}, fmt.Errorf("the credential is longer than %d bytes; send an API key or a token", mostCredential)
	case strings.HasPrefix(credential, keyPrefix):
		if who, ok := find(all, credential); ok {
			return who, nil
		}
		return Who{}, errors.New("this API key is not, or no more, one of this server; make one there with: adit-server apikey NAME")
	case strings.HasPrefix(credential, "adit1:"):
		return Who{}, errors.New("this is the key of a tunnel, which the API does not take; make a key for it with: adit-server apikey NAME")
	case strings.Count(credential, ".") != 2:
		return Who{}, errors.New("this is neither an API key, which begins with " + keyPrefix + ", nor a token; make a key with: adit-server apikey NAME")
	case g.tokens == nil:
		return Who{}, errors.New("this server takes no tokens; set security.api.jwt_key_file there, or send an API key")
	}
	return g.tokens.Now(log).check(credential)
}
