package mapping

import (
	"fmt"
	"strconv"
)

// Kind is the sort of a refusal.
type Kind int

const (
	// Invalid is a request that can never be served as it is.
	Invalid Kind = iota
	// Forbidden is a port that the operator allows nobody.
	Forbidden
	// Conflict is a port that has a mapping, or that cannot be bound.
	Conflict
	// NotFound is a port without mapping.
	NotFound
	// Unavailable is a request to a manager that is closed.
	Unavailable
)

// An Error refuses a request.
type Error struct {
	Kind   Kind
	Field  string // the field of the request that is at fault; "" when none is
	Reason string // what is wrong with it and what to do: a sentence that the field's name begins
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + " " + e.Reason
}

// Exists refuses a second mapping of a place (API-005).
func Exists(place string) *Error {
	return refuse(Conflict, fieldOf(place), "%s has a mapping; remove that first, or use another", place)
}

// Missing refuses a place that has no mapping (API-008).
func Missing(place string) *Error {
	return refuse(NotFound, fieldOf(place), "%s has no mapping; the list of mappings shows those there are", place)
}

// fieldOf is the field that says a place.
func fieldOf(place string) string {
	if _, err := strconv.Atoi(place); err != nil {
		return "host"
	}
	return "port"
}

func refuse(kind Kind, field, format string, args ...any) *Error {
	return &Error{kind, field, fmt.Sprintf(format, args...)}
}
