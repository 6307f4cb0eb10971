-- Lists in columns that are sent in binary form: an array of arrays would have to have them all of one length, one of these need not.
CREATE TYPE bigint_items AS (items bigint[]);
CREATE TYPE double_precision_items AS (items double precision[]);
