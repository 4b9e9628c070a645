package faultproxy

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
)

// call is what a request is about.
type call struct {
	service, operation string
	bucket, key        string // of S3
	queueURL           string // of ReceiveMessage
	max                int    // of ReceiveMessage
	json               bool   // the AWS JSON protocol
}

// writes reports whether an object is made.
func (c call) writes() bool {
	return c.operation == "PutObject" || c.operation == "CopyObject" || c.operation == "PostObject" || c.operation == "CompleteMultipartUpload"
}

// describe reads from a request which service and operation it means.
func describe(r *http.Request, body []byte) call {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		_, op, _ := strings.Cut(target, ".")
		c := call{service: "sqs", operation: op, json: true}
		if op == "ReceiveMessage" {
			in := struct {
				QueueUrl            string
				MaxNumberOfMessages int
			}{MaxNumberOfMessages: 1}
			if json.Unmarshal(body, &in) == nil {
				c.queueURL, c.max = in.QueueUrl, in.MaxNumberOfMessages
			}
		}
		return c
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		if form, err := url.ParseQuery(string(body)); err == nil && form.Get("Action") != "" {
			service := "sns"
			if form.Get("Version") == "2012-11-05" {
				service = "sqs"
			}
			return call{service: service, operation: form.Get("Action")}
		}
	}
	c := call{service: "s3"}
	c.bucket, c.key, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	c.operation = s3Operation(r, c.key)
	if c.operation == "PostObject" {
		c.key = formKey(r, body)
	}
	return c
}

// formKey is the key that an upload by form names.
func formKey(r *http.Request, body []byte) string {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err != nil {
			return ""
		}
		if part.FormName() == "key" {
			key, _ := io.ReadAll(part) // of bytes that are all there
			return string(key)
		}
	}
}

// s3Operation names the operations that the tiers use; others by method and place.
func s3Operation(r *http.Request, key string) string {
	q := r.URL.Query()
	switch {
	case key == "" && r.Method == http.MethodPost && q.Has("delete"):
		return "DeleteObjects"
	case key == "" && r.Method == http.MethodPost:
		return "PostObject"
	case key == "" && r.Method == http.MethodGet && q.Get("list-type") == "2":
		return "ListObjectsV2"
	case key == "":
		return r.Method + "Bucket"
	case q.Has("uploadId") && r.Method == http.MethodPost:
		return "CompleteMultipartUpload"
	case q.Has("uploads"), q.Has("uploadId"):
		return r.Method + "Multipart"
	case r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") != "":
		return "CopyObject"
	case r.Method == http.MethodPut:
		return "PutObject"
	case r.Method == http.MethodGet:
		return "GetObject"
	case r.Method == http.MethodHead:
		return "HeadObject"
	case r.Method == http.MethodDelete:
		return "DeleteObject"
	}
	return r.Method + "Object"
}
