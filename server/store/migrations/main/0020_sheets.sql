-- Sheets that are made when they are needed (スクリーニング, プラン, 評価, 会議), the repeated ones with
-- their number in the case.

ALTER TABLE documents ADD COLUMN number BIGINT;
-- Business date of the sheet (作成日, 評価実施日, 開催日), taken from its fields by the worker.
ALTER TABLE documents ADD COLUMN dated_on {{id}};
-- Two people who press the button at once make one sheet.
CREATE UNIQUE INDEX documents_number ON documents (municipality_id, case_id, kind, number) WHERE state <> 'erased';
