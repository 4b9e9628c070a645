package sns

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/wire"
)

const maxTags = 50

func checkTags(tags []types.Tag) error {
	seen := map[string]bool{}
	for _, t := range tags {
		k, v := aws.ToString(t.Key), aws.ToString(t.Value)
		switch {
		case k == "" || utf8.RuneCountInString(k) > 128:
			return invalid("Tags Reason: a tag's key has 1 to 128 characters")
		case utf8.RuneCountInString(v) > 256:
			return invalid("Tags Reason: a tag's value has at most 256 characters")
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return invalid("Tags Reason: keys beginning with aws: are reserved")
		case seen[k]:
			return invalid("Duplicated keys are not allowed.")
		}
		seen[k] = true
	}
	if len(tags) > maxTags {
		return tooManyTags()
	}
	return nil
}

func tooManyTags() *wire.Error {
	return wire.Errorf("TagLimitExceeded", "Could not complete request: tag quota of per resource exceeded")
}

func tagMap(tags []types.Tag) map[string]string {
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return m
}

func findTags(q querier, arn string) ([]types.Tag, error) {
	rows, err := q.Query(`SELECT key, value FROM sns_tags WHERE arn = ? ORDER BY key`, arn)
	if err != nil {
		return nil, fmt.Errorf("read tags of %s: %w", arn, err)
	}
	defer rows.Close()
	var tags []types.Tag
	for rows.Next() {
		var k, v string
		if err := rows.Scan(&k, &v); err != nil {
			return nil, fmt.Errorf("read tags of %s: %w", arn, err)
		}
		tags = append(tags, types.Tag{Key: &k, Value: &v})
	}
	return tags, rows.Err()
}

func saveTags(tx *db.Tx, arn string, tags []types.Tag) error {
	for _, t := range tags {
		_, err := tx.Exec(`INSERT INTO sns_tags (arn, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value`,
			arn, aws.ToString(t.Key), aws.ToString(t.Value))
		if err != nil {
			return fmt.Errorf("save tags of %s: %w", arn, err)
		}
	}
	return nil
}

// taggable answers the tagging operations' own error for a topic that is not there.
func taggable(q querier, arn *string) (string, error) {
	_, err := findTopic(q, aws.ToString(arn))
	if isNotFound(err) {
		err = &wire.Error{Code: "ResourceNotFound", Message: "Resource does not exist", Status: http.StatusNotFound}
	}
	return aws.ToString(arn), err
}

func (s *Service) tagResource(ctx context.Context, _ *wire.Request, in *sns.TagResourceInput) (*sns.TagResourceOutput, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	return nil, s.db.Update(ctx, func(tx *db.Tx) error {
		arn, err := taggable(tx, in.ResourceArn)
		if err != nil {
			return err
		}
		if err := saveTags(tx, arn, in.Tags); err != nil {
			return err
		}
		tags, err := findTags(tx, arn)
		if err == nil && len(tags) > maxTags {
			err = tooManyTags()
		}
		return err
	})
}

func (s *Service) untagResource(ctx context.Context, _ *wire.Request, in *sns.UntagResourceInput) (*sns.UntagResourceOutput, error) {
	return nil, s.db.Update(ctx, func(tx *db.Tx) error {
		arn, err := taggable(tx, in.ResourceArn)
		if err != nil {
			return err
		}
		for _, k := range in.TagKeys {
			if _, err := tx.Exec(`DELETE FROM sns_tags WHERE arn = ? AND key = ?`, arn, k); err != nil {
				return fmt.Errorf("remove tag %q of %s: %w", k, arn, err)
			}
		}
		return nil
	})
}

func (s *Service) listTagsForResource(_ context.Context, _ *wire.Request, in *sns.ListTagsForResourceInput) (*sns.ListTagsForResourceOutput, error) {
	arn, err := taggable(s.db.Read(), in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := findTags(s.db.Read(), arn)
	return &sns.ListTagsForResourceOutput{Tags: tags}, err
}
