package s3

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/s3api/controllers"
	"github.com/versity/versitygw/s3err"
)

// maxBucketTags is how many tags a bucket takes.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/CostAllocTagging.html
const maxBucketTags = 50

func invalidTag(message string, details ...string) error {
	return failure(http.StatusBadRequest, "InvalidTag", message, details...)
}

// readTags checks the tags that a bucket shall have. system is S3's complaint about
// keys that begin with "aws:", which differs from operation to operation.
func readTags(list []*element, system func(key string) error) (map[string]string, error) {
	tags := map[string]string{}
	for _, e := range list {
		key, text := e.value("Key"), e.value("Value")
		if strings.HasPrefix(key, "aws:") {
			return nil, system(key)
		}
		if key == "" || utf8.RuneCountInString(key) > 128 || !tagCharacters(key) {
			return nil, invalidTag("The TagKey you have provided is invalid", "TagKey", key)
		}
		if utf8.RuneCountInString(text) > 256 || !tagCharacters(text) {
			return nil, invalidTag("The TagValue you have provided is invalid", "TagKey", key, "TagValue", text)
		}
		if _, twice := tags[key]; twice {
			return nil, invalidTag("Cannot provide multiple Tags with the same key", "TagKey", key)
		}
		tags[key] = text
	}
	return tags, nil
}

func taggingShape() *shape { return tree(may("TagSet", tree(any0("Tag", tagShape())))) }

func (t *table) putBucketTagging(c fiber.Ctx) (*controllers.Response, error) {
	resp := &controllers.Response{MetaOpts: &controllers.MetaOptions{Status: http.StatusNoContent}}
	doc, err := readDocument(c.BodyRaw(), "Tagging", taggingShape())
	if err != nil {
		return resp, err
	}
	list := doc.child("TagSet").all("Tag")
	if len(list) > maxBucketTags {
		return resp, s3err.GetAPIError(s3err.ErrBucketTaggingLimited)
	}
	tags, err := readTags(list, func(key string) error {
		return invalidTag("System tags cannot be added/updated by requester", "TagKey", key)
	})
	if err != nil {
		return resp, err
	}
	return resp, t.be.PutBucketTagging(c.RequestCtx(), c.Params("bucket"), tags)
}
