package access

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var silent = slog.New(slog.DiscardHandler)

var writes int64

// write makes a file that looks different from the one before.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	writes++
	when := time.Unix(1e9+writes, 0)
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
}

func addKey(t *testing.T, path, name string, role Role) string {
	t.Helper()
	text, err := AddKey(path, name, role)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func open(t *testing.T, keys, tokens string) *Guard {
	t.Helper()
	g, err := Open(keys, tokens)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// wants checks what a credential is answered: a name and a role, or an error with a word.
func wants(t *testing.T, g *Guard, what, credential, name string, role Role, word string) {
	t.Helper()
	who, err := g.Check(credential, silent)
	switch {
	case word == "" && (err != nil || who != Who{name, role}):
		t.Errorf("%s: %v, %v; want %s with %s", what, who, err, name, role)
	case word != "" && (err == nil || who != Who{} || !strings.Contains(err.Error(), word)):
		t.Errorf("%s: %v, %v; want an error with %q", what, who, err, word)
	case err != nil && len(credential) > 20 && strings.Contains(err.Error(), credential[10:]):
		t.Errorf("%s: the error has the credential: %v", what, err)
	}
}

func TestRoles(t *testing.T) {
	for _, c := range []struct {
		has, need Role
		want      bool
	}{{Read, Read, true}, {Read, Operate, false}, {Operate, Read, true}, {Operate, Operate, true}, {"", Read, false}, {"admin", Read, false}} {
		if c.has.May(c.need) != c.want {
			t.Errorf("%q may do what takes %s: %v", c.has, c.need, !c.want)
		}
	}
	if _, err := ParseRole("Read"); err == nil || !strings.Contains(err.Error(), "there are read") {
		t.Errorf("the role Read: %v; want an error", err)
	}
}

func TestAPIKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "api-keys")
	laptop, monitor := addKey(t, path, "laptop", Operate), addKey(t, path, "monitor", Read)
	if !regexp.MustCompile(`^aditapi_laptop_[0-9a-f]{64}$`).MatchString(laptop) || laptop[15:] == monitor[16:] {
		t.Errorf("keys %s and %s; want 256 bits each of their own", laptop, monitor)
	}
	text, _ := os.ReadFile(path)
	info, _ := os.Stat(path)
	if strings.Contains(string(text), laptop[15:]) || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v and %s; want 0600 and no key", info.Mode(), text)
	}
	g := open(t, path, "")
	wants(t, g, "laptop", laptop, "laptop", Operate, "")
	wants(t, g, "monitor", monitor, "monitor", Read, "")
	wants(t, g, "a key less its end", laptop[:len(laptop)-1], "", "", "is not, or no more, one of this server")
	wants(t, g, "a key and more", laptop+"0", "", "", "is not, or no more, one")
	wants(t, g, "a key by another name", "aditapi_monitor_"+laptop[15:], "", "", "is not, or no more, one")
	wants(t, g, "the digest", strings.Fields(string(text))[2], "", "", "neither an API key")
	wants(t, g, "a tunnel's key", "adit1:home:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "", "", "the key of a tunnel")
	wants(t, g, "nothing", "", "", "", "neither an API key")
	wants(t, g, "a token", "a.b.c", "", "", "takes no tokens")
	wants(t, g, "a flood", "aditapi_"+strings.Repeat("x", mostCredential), "", "", "longer than 8192")

	later := addKey(t, path, "later", Read)
	wants(t, g, "a key that was made since", later, "later", Read, "")
	lines := strings.SplitAfter(string(text), "\n")
	write(t, path, lines[1])
	wants(t, g, "a key whose line was removed", laptop, "", "", "no more")
	wants(t, g, "one that stayed", monitor, "monitor", Read, "")
	write(t, path, lines[1]+"other operate "+flipped(strings.Fields(lines[0])[2])+"\n")
	wants(t, g, "a key whose digest ends otherwise", laptop, "", "", "no more")
	write(t, path, lines[1]+"broken\n")
	wants(t, g, "one of a file with a mistake", monitor, "monitor", Read, "")
	write(t, path, "# none\n")
	wants(t, g, "the last", monitor, "", "", "no more")
	if !g.Empty() {
		t.Error("a guard without keys is not empty")
	}
	for name, word := range map[string]string{"": "is no name", "a b": "is no name", "ä": "is no name", strings.Repeat("x", 65): "is no name", "#a": "is no name"} {
		if _, err := AddKey(path, name, Read); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("a key by the name %q: %v; want %q", name, err, word)
		}
	}
	addKey(t, path, strings.Repeat("x", 64), Read)
	if _, err := AddKey(path, strings.Repeat("x", 64), Read); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second key of a name: %v", err)
	}
}

// flipped is a digest whose last digit is another.
func flipped(digest string) string {
	last := "0"
	if strings.HasSuffix(digest, last) {
		last = "1"
	}
	return digest[:len(digest)-1] + last
}

// The time that a refusal takes says nothing of the keys there are: an unknown key and one that ends otherwise than a known one
// differ by less than two unknown ones do.
func TestRefusalsTakeTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	key := addKey(t, path, "k", Read)
	for i := range 50 {
		addKey(t, path, fmt.Sprint("other", i), Read)
	}
	g := open(t, path, "")
	asked := []string{"aditapi_n_" + strings.Repeat("0", 64), "aditapi_m_" + strings.Repeat("1", 64), flipped(key)}
	var near, noise []float64
	for round := range 300 {
		var took [3]float64
		for i := range asked {
			which := (round + i) % len(asked)
			began := time.Now()
			for range 20 {
				if _, err := g.Check(asked[which], silent); err == nil {
					t.Fatal("a wrong key is right")
				}
			}
			took[which] = float64(time.Since(began))
		}
		near, noise = append(near, took[2]-took[0]), append(noise, took[1]-took[0])
	}
	slices.Sort(near)
	slices.Sort(noise)
	if spread := noise[225] - noise[75]; near[150] > spread || near[150] < -spread {
		t.Errorf("20 refusals of a key that ends otherwise take %v longer than of an unknown one; want less than the noise, %v", time.Duration(near[150]), time.Duration(spread))
	}
}

func TestLinesOfTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api-keys")
	digest := strings.Repeat("0f", 32)
	for line, word := range map[string]string{
		"second operate " + digest:             "",
		"second  read\t" + digest + " \r":      "",
		"second operate":                       "a name, a role and a digest",
		"second operate " + digest + " x":      "a name, a role and a digest",
		"second admin " + digest:               "there are read",
		"second operate " + digest[1:]:         "64 hexadecimal digits",
		"second operate " + digest + "00":      "64 hexadecimal digits",
		"second operate x" + digest[1:]:        "64 hexadecimal digits",
		"sec:ond operate " + digest:            "is no name",
		"first operate " + digest:              "is that of line 1 too",
		"aditapi_second_" + digest:             "this is a key itself",
		"second read aditapi_second_" + digest: "this is a key itself",
	} {
		write(t, path, "first read "+digest+"\n\n# and\n"+line+"\n")
		_, err := Open(path, "")
		if (err == nil) != (word == "") || err != nil && (!strings.HasPrefix(err.Error(), "keys_file: "+path+":4: ") || !strings.Contains(err.Error(), word)) {
			t.Errorf("%q: %v; want line 4 and %q", line, err, word)
		}
		if err != nil && strings.Contains(err.Error(), digest[2:]) {
			t.Errorf("%q: the error has what may be a secret: %v", line, err)
		}
	}
}

// sign makes a token as others do.
func sign(t *testing.T, method jwt.SigningMethod, key any, change func(jwt.MapClaims)) string {
	t.Helper()
	c := jwt.MapClaims{"sub": "ci", "aud": "adit", "role": "operate", "exp": time.Now().Add(time.Hour).Unix()}
	if change != nil {
		change(c)
	}
	text, err := jwt.NewWithClaims(method, c).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTokensOfASecret(t *testing.T) {
	dir := t.TempDir()
	keys, path := filepath.Join(dir, "none"), filepath.Join(dir, "data", "secret")
	token, err := NewToken(path, "laptop", Read, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("the secret has mode %v; want 0600", info.Mode())
	}
	g := open(t, keys, path)
	if g.Empty() {
		t.Error("a guard with tokens is empty")
	}
	wants(t, g, "a token", token, "laptop", Read, "")
	text, _ := os.ReadFile(path)
	secret := []byte(strings.TrimSpace(string(text)))
	now := time.Now()
	for what, c := range map[string]struct {
		change func(jwt.MapClaims)
		word   string
	}{
		"as it should be":          {nil, ""},
		"for several services":     {func(c jwt.MapClaims) { c["aud"] = []string{"x", "adit"} }, ""},
		"one second over":          {func(c jwt.MapClaims) { c["exp"] = now.Add(-time.Second).Unix() }, ""}, // clocks differ
		"expired":                  {func(c jwt.MapClaims) { c["exp"] = now.Add(-11 * time.Second).Unix() }, "has expired; get a new one"},
		"without an end":           {func(c jwt.MapClaims) { delete(c, "exp") }, "lacks exp or aud"},
		"for nobody":               {func(c jwt.MapClaims) { delete(c, "aud") }, "lacks exp or aud"},
		"for another service":      {func(c jwt.MapClaims) { c["aud"] = "aditx" }, "for another service"},
		"not yet valid":            {func(c jwt.MapClaims) { c["nbf"] = now.Add(time.Minute).Unix() }, "not valid yet"},
		"without a role":           {func(c jwt.MapClaims) { delete(c, "role") }, `the token's role: "" is no role`},
		"with another role":        {func(c jwt.MapClaims) { c["role"] = "admin" }, "is no role"},
		"with a number for a role": {func(c jwt.MapClaims) { c["role"] = 1 }, "malformed"},
		"without a name":           {func(c jwt.MapClaims) { delete(c, "sub") }, "lacks sub"},
	} {
		name, role := "ci", Operate
		if c.word != "" {
			name, role = "", ""
		}
		wants(t, g, "a token "+what, sign(t, jwt.SigningMethodHS256, secret, c.change), name, role, c.word)
	}
	wants(t, g, "another secret", sign(t, jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), nil), "", "", "not made with the key")
	wants(t, g, "a longer digest", sign(t, jwt.SigningMethodHS512, secret, nil), "", "", "not made with the key")
	wants(t, g, "no signature", sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil), "", "", "not made with the key")
	parts := strings.Split(token, ".")
	claims := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"x","aud":"adit","role":"operate","exp":99999999999}`))
	wants(t, g, "other claims", parts[0]+"."+claims+"."+parts[2], "", "", "not made with the key")
	wants(t, g, "an expired one of a stranger", sign(t, jwt.SigningMethodHS256, []byte("x"), func(c jwt.MapClaims) { c["exp"] = 1 }), "", "", "not made with the key")
	wants(t, g, "an empty signature", parts[0]+"."+parts[1]+".", "", "", "not made with the key")
	wants(t, g, "rubbish", "a.b.c", "", "", "malformed")

	key := addKey(t, keys, "late", Read) // into a file that was not there
	wants(t, g, "a key beside tokens", key, "late", Read, "")
	write(t, path, strings.Repeat("z", 32)+"\n")
	wants(t, g, "a token of the secret before", token, "", "", "not made with the key")
	wants(t, g, "one of the new secret", sign(t, jwt.SigningMethodHS256, []byte(strings.Repeat("z", 32)), nil), "ci", Operate, "")
	write(t, path, strings.Repeat("y", 31))
	wants(t, g, "one of the secret before a mistake", sign(t, jwt.SigningMethodHS256, []byte(strings.Repeat("z", 32)), nil), "ci", Operate, "")

	for lifetime, want := range map[time.Duration]string{time.Second: "tokens take 32 at least", 0: "expired before its use", -time.Hour: "expired before its use"} {
		if _, err := NewToken(path, "x", Read, lifetime); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a token for %v with a short secret: %v; want %q", lifetime, err, want)
		}
	}
	if _, err := NewToken(path, "no name", Read, time.Hour); err == nil || !strings.Contains(err.Error(), "is no name") {
		t.Errorf("a token for no name: %v", err)
	}
}

func TestTokensOfAPublicKey(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "public.pem")
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	for i, c := range []struct {
		key     crypto.Signer
		methods []jwt.SigningMethod
	}{
		{rsaKey, []jwt.SigningMethod{jwt.SigningMethodRS256, jwt.SigningMethodRS512, jwt.SigningMethodPS256}},
		{ecKey, []jwt.SigningMethod{jwt.SigningMethodES256}},
		{edKey, []jwt.SigningMethod{jwt.SigningMethodEdDSA}},
	} {
		der, err := x509.MarshalPKIXPublicKey(c.key.Public())
		if err != nil {
			t.Fatal(err)
		}
		public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		write(t, path, string(public))
		if err := os.Chmod(path, 0o644); err != nil { // it is no secret
			t.Fatal(err)
		}
		g := open(t, filepath.Join(dir, "none"), path)
		for _, m := range c.methods {
			wants(t, g, m.Alg(), sign(t, m, c.key, nil), "ci", Operate, "")
		}
		// Whoever knows the public key must not make tokens by taking it for a secret.
		wants(t, g, fmt.Sprintf("key %d as a secret", i), sign(t, jwt.SigningMethodHS256, public, nil), "", "", "not made with the key")
		if _, err := NewToken(path, "x", Read, time.Hour); err == nil || !strings.Contains(err.Error(), "whoever has the private one makes tokens") {
			t.Errorf("a token of a public key: %v", err)
		}
	}
	small, _ := rsa.GenerateKey(rand.Reader, 1024)
	for what, c := range map[string]struct {
		block pem.Block
		word  string
	}{
		"a private key":   {pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(ecKey))}, "openssl pkey -in FILE -pubout"},
		"a certificate":   {pem.Block{Type: "CERTIFICATE", Bytes: must(x509.MarshalPKIXPublicKey(ecKey.Public()))}, "has a CERTIFICATE"},
		"a small RSA key": {pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(small.Public()))}, "1024 bits"},
		"a broken key":    {pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}, "-pubout"},
		"one for X25519":  {pem.Block{Type: "PUBLIC KEY", Bytes: must(base64.StdEncoding.DecodeString("MCowBQYDK2VuAyEAL+HWoqyMLLPFzDnGYmjDUeFDk/oB/HaOgS/2ve1GiFg="))}, "Ed25519"},
	} {
		write(t, path, string(pem.EncodeToMemory(&c.block)))
		if _, err := Open(filepath.Join(dir, "none"), path); err == nil || !strings.HasPrefix(err.Error(), "jwt_key_file: ") || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v; want %q", what, err, c.word)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Whatever a stranger sends, nobody but the owner of the key is let in, and nothing panics.
func FuzzCheck(f *testing.F) {
	dir := f.TempDir()
	keys, secret := filepath.Join(dir, "keys"), filepath.Join(dir, "secret")
	key := must(AddKey(keys, "k", Read))
	token := must(NewToken(secret, "t", Operate, time.Hour))
	g := must(Open(keys, secret))
	parts := strings.Split(token, ".")
	for _, seed := range []string{"", key, key + " ", "aditapi_", token, parts[0] + "." + parts[1] + ".", "..", "e30.e30.", strings.ToUpper(key), "eyJhbGciOiJub25lIn0." + parts[1] + "."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		who, err := g.Check(text, silent)
		if (err == nil) != (text == key || text == token) || (err == nil) != (who.Name != "") {
			t.Errorf("%q: %v, %v", text, who, err)
		}
	})
}

// The API compares with every key, whether one is right or none, and wherever it stands: how long it takes does not say.
func TestTheSameWorkForEveryAPIKey(t *testing.T) {
	defer func(before func(a, b []byte) int) { same = before }(same)
	compared := 0
	same = func(a, b []byte) int { compared++; return subtle.ConstantTimeCompare(a, b) }
	var all []key
	for _, name := range []string{"first", "second", "last"} {
		all = append(all, key{who: Who{Name: name}, digest: sha256.Sum256([]byte(name))})
	}
	for text, want := range map[string]string{"first": "first", "last": "last", "nobody": "", "": "", "firs": ""} {
		compared = 0
		if who, ok := find(all, text); who.Name != want || ok != (want != "") || compared != len(all) {
			t.Errorf("%q is of %q, %v, after %d comparisons; want %q after %d", text, who.Name, ok, compared, want, len(all))
		}
	}
}

// BenchmarkFind is the time of a request's key by turns for one that is right and for one that is none: the medians differ by less than the noise.
func BenchmarkFind(b *testing.B) {
	all := make([]key, 100)
	for i := range all {
		all[i] = key{who: Who{Name: fmt.Sprint(i)}, digest: sha256.Sum256([]byte(fmt.Sprint("key ", i)))}
	}
	var took [2][]time.Duration
	for n := 0; b.Loop(); n++ {
		begun := time.Now()
		if _, ok := find(all, []string{"key 50", "no key"}[n%2]); ok != (n%2 == 0) {
			b.Fatal(n, ok)
		}
		took[n%2] = append(took[n%2], time.Since(begun))
	}
	var median, noise [2]time.Duration
	for i, times := range took {
		if len(times) < 1000 {
			return // says nothing
		}
		slices.Sort(times)
		median[i], noise[i] = times[len(times)/2], times[len(times)*3/4]-times[len(times)/4]
		b.ReportMetric(float64(median[i]), []string{"right-ns", "wrong-ns"}[i])
	}
	if apart := (median[0] - median[1]).Abs(); apart > max(noise[0], noise[1]) {
		b.Errorf("the medians differ by %v; the noise is %v", apart, noise)
	}
}
