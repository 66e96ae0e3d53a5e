-- Points reads no facts by subject: a member is its rows, and the verifier walks through all facts and sorts. With
-- millions of members every fact wrote to another page of this index, and that page whole into the log.
DROP INDEX fact_subject_seq;
