package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
)

// greeting is the configuration: {"header": "x-greeting", "value": "hello"}, and nothing else.
type greeting struct {
	Header *string `json:"header"`
	Value  *string `json:"value"`
}

var (
	headerName  = regexp.MustCompile(`^[a-z0-9_-]+$`)
	headerValue = regexp.MustCompile(`^[ -~]*$`)
)

// parse reads the configuration, or says why it cannot serve.
func parse(configuration []byte) (name, value string, err error) {
	decoder := json.NewDecoder(bytes.NewReader(configuration))
	decoder.DisallowUnknownFields()
	var read greeting
	if err := decoder.Decode(&read); err != nil {
		return "", "", err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return "", "", errors.New("there is more behind the configuration")
	}
	if read.Header == nil || read.Value == nil {
		return "", "", errors.New("both `header` and `value` are needed")
	}
	if !headerName.MatchString(*read.Header) {
		return "", "", fmt.Errorf("`header` is not a lower-case header name: %q", *read.Header)
	}
	if !headerValue.MatchString(*read.Value) {
		return "", "", fmt.Errorf("`value` has a character that no header carries: %q", *read.Value)
	}
	return *read.Header, *read.Value, nil
}
