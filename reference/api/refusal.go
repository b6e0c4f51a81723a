package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/adit-tunnel/adit/reference/mapping"
)

// A refusal is a request that cannot be served as it is.
type refusal struct {
	status  int    // of HTTP
	field   string // of the body that is at fault; "" when none is
	message string // what is wrong and what to do
}

func (e *refusal) Error() string { return e.message }

func badRequest(field, format string, args ...any) *refusal {
	return &refusal{http.StatusBadRequest, field, fmt.Sprintf(format, args...)}
}

func forbidden(message string) *refusal {
	return &refusal{status: http.StatusForbidden, message: message}
}

// refusalOf is an error as an HTTP client is told it.
func refusalOf(err error) *refusal {
	if e, ok := errors.AsType[*refusal](err); ok {
		return e
	}
	if e, ok := errors.AsType[*mapping.Error](err); ok {
		return &refusal{statuses[e.Kind], e.Field, e.Error()}
	}
	return &refusal{status: http.StatusInternalServerError, message: err.Error()}
}

// statuses are what refusals of package mapping are in HTTP.
var statuses = map[mapping.Kind]int{
	mapping.Invalid:     http.StatusBadRequest,
	mapping.Forbidden:   http.StatusForbidden,
	mapping.Conflict:    http.StatusConflict,
	mapping.NotFound:    http.StatusNotFound,
	mapping.Unavailable: http.StatusServiceUnavailable,
}
