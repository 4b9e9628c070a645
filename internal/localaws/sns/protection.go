package sns

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/tintype/tintype/internal/localaws/db"
)

// Data protection policies are stored and given back, and do nothing: this endpoint
// does not look for personal data in messages.

// maxProtection is the longest data protection policy, characters (SDK documentation
// of PutDataProtectionPolicy).
const maxProtection = 30_720

func checkProtection(text string) error {
	var object map[string]json.RawMessage
	switch {
	case text == "":
	case utf8.RuneCountInString(text) > maxProtection:
		return invalid("DataProtectionPolicy Reason: at most %d characters are taken", maxProtection)
	case json.Unmarshal([]byte(text), &object) != nil:
		return invalid("DataProtectionPolicy Reason: it is not a JSON object")
	}
	return nil
}

func (s *Service) putDataProtectionPolicy(ctx context.Context, in *sns.PutDataProtectionPolicyInput) error {
	arn, err := s.topicARN("ResourceArn", in.ResourceArn)
	if err != nil {
		return err
	}
	text := aws.ToString(in.DataProtectionPolicy)
	if err := checkProtection(text); err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *db.Tx) error {
		if _, err := findTopic(tx, arn); err != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE sns_topics SET protection = ? WHERE arn = ?`, text, arn)
		return err
	})
}

func (s *Service) dataProtectionPolicy(ctx context.Context, in *sns.GetDataProtectionPolicyInput) (string, error) {
	arn, err := s.topicARN("ResourceArn", in.ResourceArn)
	if err != nil {
		return "", err
	}
	var text string
	err = s.db.Read().QueryRowContext(ctx, `SELECT protection FROM sns_topics WHERE arn = ?`, arn).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", notFound("Topic")
	}
	if err != nil {
		return "", fmt.Errorf("read the data protection policy of %s: %w", arn, err)
	}
	return text, nil
}
