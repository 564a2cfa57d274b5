"""The long jobs, one generator each: pretrain, fine-tune, predict, evaluate."""
