-- The wallet folds a checkout or a shopper from its facts whenever it does not remember them: by this
-- index. (Other services' journals do without: nobody there reads facts by subject.)
CREATE INDEX fact_subject_seq ON fact (subject, seq);
